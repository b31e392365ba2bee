"""
Check that explanations depend on the weights
=============================================

Adebayo et al. (2018) require that the maps of an explanation method change if the weights
are replaced by random ones. This example explains an image with a trained network, with the
same network trained with another seed, and with an untrained one.
"""

import matplotlib.pyplot as plt

import octsk

train = octsk.make_oct_phantoms(1500, random_state=0)
test = octsk.make_oct_phantoms(20, random_state=1)
X, y = train.data, train.target

nets = {
    "trained": octsk.SmallOCTNet(augmentation=None, random_state=0).fit(X, y),
    "other seed": octsk.SmallOCTNet(augmentation=None, random_state=1).fit(X, y),
    "not trained": octsk.SmallOCTNet(random_state=2).initialize(X, y),
}

cnv = test.data[test.target == 0][1:2]
figure, axes = plt.subplots(1, 4, figsize=(7, 2.1), layout="constrained")
axes[0].imshow(cnv[0], cmap="gray", vmin=0, vmax=255)
axes[0].set_title("image")
for ax, (name, net) in zip(axes[1:], nets.items(), strict=True):
    ax.imshow(octsk.occlusion_sensitivity(net, cnv, target=0)[0], cmap="viridis")
    ax.set_title(name)
for ax in axes:
    ax.set_axis_off()
