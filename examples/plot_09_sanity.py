"""
Does a map show what was learned?
=================================

Adebayo et al. (2018) ask of every method of explanation that its map change when the
weights are replaced by random ones. One image, explained by a trained net, by the same net
trained from another seed, and by one that has not been trained.
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
