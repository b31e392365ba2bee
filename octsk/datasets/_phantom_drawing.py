"""Drawing of phantoms: layers of the retina, lesions, speckle and shadows.

All arrays are float32. Curves have shape (n, x) with a row for each image. Scenes have
shape (y, n, x), so that curves broadcast against scenes and averaging takes one matrix
product for each axis. The cover of a shape is a scene that contains the fraction of each
pixel, between 0 and 1, that the shape covers.
"""

from math import ceil

import numpy as np
from sklearn.utils import Bunch

# Width and depth of an image in micrometres. It shows 496 of the 512 columns of a scan of
# 6 mm by 1.9 mm. All lengths below are in micrometres, with x from the left and y from the
# top.
_WIDTH, _DEPTH = 5800.0, 1900.0

# Layers from the vitreous down to Bruch's membrane with their grey levels above the
# background. The order of brightness follows the anatomy, and the levels are fitted to
# images of OCTMNIST.
_GREY = {
    "nerve fibre": 82.0,
    "ganglion cell and inner plexiform": 66.0,
    "inner nuclear": 44.0,
    "outer plexiform": 60.0,
    "outer nuclear": 30.0,
    "ellipsoid": 115.0,
    "interdigitation": 90.0,
    "subretinal fluid": 2.0,
    "hyperreflective material": 105.0,
    "pigment epithelium": 165.0,
    "below the epithelium": 58.0,
}


_PHOTORECEPTORS_AND_EPITHELIUM = ("ellipsoid", "interdigitation", "pigment epithelium")
_LESION_LAYERS = ("subretinal fluid", "hyperreflective material", "below the epithelium")
# A lesion extends from the upper edges of the first layers to those of the second.
_LESION_BEGINS = ("subretinal fluid", "below the epithelium")
_LESION_ENDS = ("pigment epithelium", "choroid")


class _Dice:
    """Generator of random numbers with one row for each image."""

    def __init__(self, rng, n):
        self.rng, self.n = rng, n

    def uniform(self, low, high, k=1):
        return self.rng.uniform(low, high, (self.n, k)).astype(np.float32)

    def normal(self, mean, spread, k=1):
        return self.rng.normal(mean, spread, (self.n, k)).astype(np.float32)

    def lognormal(self, median, spread, k=1):
        return self.rng.lognormal(np.log(median), spread, (self.n, k)).astype(np.float32)

    def gamma(self, shape, scale):
        return self.rng.gamma(shape, scale, (self.n, 1)).astype(np.float32)

    def chance(self, share, k=1):
        return self.rng.uniform(size=(self.n, k)) < share

    def waves(self, x, length, amplitude):
        """Return a sum of three cosines along x, whose lengths vary around `length`."""
        length = self.lognormal(length, 0.35, 3)[..., None]
        phase = self.uniform(0, 2 * np.pi, 3)[..., None]
        share = self.uniform(0.2, 0.8, 3)[..., None]
        return amplitude * (share * np.cos(2 * np.pi / length * x + phase)).sum(axis=1)


def draw_group(target, size, seed):
    """Draw images at a higher resolution and reduce them to `size` as MedMNIST does.

    Returns
    -------
    images : ndarray of shape (n, size, size), uint8
        The images.
    lesion_mask : ndarray of shape (n, size, size), bool
        Pixels where a lesion was drawn.
    """
    dice = _Dice(np.random.RandomState(seed), len(target))
    fine = size * max(2, ceil(84 / size))
    centres = ((np.arange(fine) + 0.5) / fine).astype(np.float32)
    x, y = _WIDTH * centres, _DEPTH * centres[:, None, None]

    lesion = _draw_lesion(dice, x, target[:, None])
    edges, grey = _draw_retina(dice, x, lesion)
    white = _draw_fill(dice, x, y, edges)
    scene, drawn, behind = _paint_layers(y, edges, grey)
    _paint_choroid(dice, y, scene, behind, edges, lesion)
    _paint_spots(dice, x, y, scene, drawn, edges, lesion)
    _shine(dice, x, y, scene, behind)

    average = _averaging(fine, size)
    image, drawn, white = (_average_down(average, a) for a in (scene, drawn, white))
    image += _speckle(dice, image, size)
    image += white * (255 - image)
    drawn *= 1 - white
    threshold = 0.3 * drawn.max(axis=(1, 2), keepdims=True)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), drawn > threshold


def _draw_lesion(dice, x, target):
    """Draw the parameters of the lesion of each eye; curves are 0 if there is no lesion."""
    cnv, dme, drusen = (target == k for k in range(3))
    severity = dice.rng.beta(2.4, 1.1, target.shape).astype(np.float32)
    centre = _WIDTH * np.clip(dice.normal(0.5, 0.14), 0.1, 0.9)
    width = dice.uniform(400, 1200)
    extent = _bump(x, centre, width, dice.uniform(1.5, 4))
    bumps = drusen * _draw_drusen(dice, x, centre, severity)

    dome = (40 + 380 * severity * dice.uniform(0, 1)) * extent * cnv
    clump = (60 + 180 * severity * dice.uniform(0, 1)) * cnv
    clump = clump * _bump(x, centre + dice.normal(0, 250), width * dice.uniform(0.6, 1.1))
    ragged_dome = dome * (1 + dice.waves(x, 370, dice.uniform(0.02, 0.3)))
    ragged_clump = clump * (1 + dice.waves(x, 370, dice.uniform(0.05, 0.4)))

    aside = width * dice.uniform(0.5, 1.2)
    aside = np.where(dice.chance(0.5), aside, -aside)
    pool = (x - centre - aside) / dice.uniform(300, 900)
    fluid = dice.uniform(20, 120) * (0.3 + severity) * np.maximum(1 - pool**2, 0)
    fluid = fluid * ((cnv & dice.chance(0.6)) | (dme & dice.chance(0.15)))

    swelling = np.where(
        dme,
        60 + 240 * severity * dice.uniform(0.3, 1),
        dice.uniform(0, 60) * dice.chance(0.1),
    ) * _bump(x, centre, dice.uniform(500, 1700), dice.uniform(2, 4))
    return Bunch(
        severity=severity,
        centre=centre,
        elevation=bumps + ragged_dome,
        material=ragged_clump,
        fluid=fluid,
        # Small or ragged lesions dent the photoreceptors, large ones lift the retina.
        dent=0.8 * bumps + ragged_dome + ragged_clump - 0.8 * (dome + clump),
        swelling=swelling,
        damage=cnv * dice.uniform(0.1, 0.8) * extent + 0.7 * bumps / (bumps + 50),
        transmission=1 + cnv * extent * (np.clip(dice.lognormal(1, 0.5), 0.3, 2.2) - 1),
        pit_left=1 - severity * (dme * dice.uniform(0.3, 1) + cnv * dice.uniform(0, 0.8)),
        n_cysts=(dme | (cnv & dice.chance(0.25)))
        * (1 + np.floor(7 * dice.uniform(0, 1) ** 2 * (0.3 + severity))),
        n_foci=dme * np.floor(dice.uniform(0, 7)),
    )


def _draw_drusen(dice, x, centre, severity):
    """Draw the heights of 3 to 12 drusen around a centre; overlaps take the tallest."""
    at = centre + dice.normal(0, 1100, 12)
    half_width = dice.uniform(30, 320, 12)
    height = half_width * dice.uniform(0.5, 1, 12) * (0.2 + 0.45 * severity)
    height *= np.arange(12) < 3 + np.floor(10 * dice.uniform(0, 1))
    return (height[..., None] * _bump(x, at[..., None], half_width[..., None])).max(axis=1)


def _draw_retina(dice, x, lesion):
    """Return the upper edge and the grey level of each layer."""
    place = x / _WIDTH - 0.5
    slope = dice.rng.laplace(0, 0.085 * _DEPTH, (dice.n, 1)).astype(np.float32)
    base = slope * place + dice.normal(-0.22, 0.32) * _DEPTH * place**2
    base += dice.waves(x, 3500, dice.lognormal(10, 0.9))
    base += dice.waves(x, 850, dice.lognormal(1.2, 0.5))
    # Shift the retina so that the lesion is within the image, however steep the retina is.
    level = np.clip(dice.normal(0.49, 0.075), 0.3, 0.8) * _DEPTH
    base += level - _at(base, x, lesion.centre)

    fovea = _WIDTH * dice.normal(0.5, 0.06)
    pit = np.where(dice.chance(0.9), dice.uniform(0.7, 0.97), dice.uniform(0, 0.4))
    pit = pit * lesion.pit_left * _bump(x, fovea, dice.uniform(400, 800))
    inner = dice.normal(160, 16) + 70 * _bump(x, fovea, dice.uniform(900, 1600))
    inner = inner * (1 - pit) + lesion.swelling / 2
    inner = np.maximum(inner + dice.waves(x, 1300, dice.lognormal(2.5, 0.7)), 12)
    outer = dice.normal(75, 8) + 40 * pit + lesion.swelling / 2 - lesion.dent
    nasal = np.where(dice.chance(0.5), place, -place)
    fibres = inner * np.clip(0.22 + 0.3 * nasal, 0.1, 0.4)
    rest = inner - fibres
    flat = np.ones_like(base)
    thickness = {
        "nerve fibre": fibres,
        "ganglion cell and inner plexiform": 0.52 * rest,
        "inner nuclear": 0.26 * rest,
        "outer plexiform": 0.22 * rest,
        "outer nuclear": np.maximum(outer, 20),
        "ellipsoid": 20 * flat,
        "interdigitation": 16 * flat,
        "subretinal fluid": lesion.fluid,
        "hyperreflective material": lesion.material,
        "pigment epithelium": 28 * flat,
        "below the epithelium": lesion.elevation,
    }
    edges = {"choroid": base}
    for name in reversed(thickness):
        edges[name] = base = base - thickness[name]
    edges = dict(reversed(edges.items()))

    grey = {name: level * dice.uniform(0.9, 1.1) for name, level in _GREY.items()}
    for name in _PHOTORECEPTORS_AND_EPITHELIUM:
        grey[name] = grey[name] * (1 - lesion.damage)
    for name in _LESION_LAYERS:
        grey[name] = grey[name] * dice.uniform(0.5, 1.3)
    return edges, grey | {"choroid": 0.0}


def _draw_fill(dice, x, y, edges):
    """Return the cover of the white fill above and below some scans, as after rotation."""
    place = x / _WIDTH - 0.5
    room = edges["nerve fibre"].min(axis=1, keepdims=True) - 60
    above = np.minimum(dice.gamma(0.8, 125), room) + dice.normal(0, 130) * place
    below = np.minimum(dice.gamma(0.8, 95), 600) + dice.normal(0, 130) * place
    above = np.where(dice.chance(0.26), above, -_DEPTH)
    below = np.where(dice.chance(0.195), below, -_DEPTH)
    sharp = _DEPTH / len(y)
    return _below(above, y, sharp) + _below(y, _DEPTH - below, sharp)


def _paint_layers(y, edges, grey):
    """Return a scene of the layers, and the covers of the lesions and of the choroid."""
    softness = max(_DEPTH / len(y), 8)
    scene = np.zeros((len(y), *edges["choroid"].shape), dtype=np.float32)
    drawn, cover, ink = np.zeros_like(scene), np.empty_like(scene), np.empty_like(scene)
    level = 0.0
    for name, edge in edges.items():
        _below(y, edge, softness, out=cover)
        np.multiply(cover, grey[name] - level, out=ink)
        scene += ink
        level = grey[name]
        if name in _LESION_BEGINS:
            drawn += cover
        elif name in _LESION_ENDS:
            drawn -= cover
    return scene, drawn, cover


def _paint_choroid(dice, y, scene, behind, edges, lesion):
    """Add the choroid, a streaked glow that fades with depth."""
    reach = np.clip(dice.lognormal(225, 0.35), 80, 800)
    level = dice.lognormal(84, 0.28) * lesion.transmission
    choroid = np.exp(-y / reach) * (level * np.exp(edges["choroid"] / reach))
    choroid *= 1 + 0.1 * _smooth_field(dice, len(y), 10, 40)
    choroid *= behind
    scene += choroid


def _paint_spots(dice, x, y, scene, drawn, edges, lesion):
    """Paint dark cysts and bright foci into the inner retina."""
    at, depth, room = _places(dice, x, edges, lesion.centre, 7, spread=520)
    half_height = 20 + 130 * lesion.severity * dice.uniform(0, 1, 7)
    half_height = np.minimum(half_height, 0.42 * room)
    half_width = half_height * dice.uniform(1.8, 4.5, 7)
    darkness = dice.uniform(0.7, 1)
    sick = np.flatnonzero(lesion.n_cysts)
    spots = (at, depth, half_width, half_height, lesion.n_cysts)
    cysts = _ellipses(x, y, *(a[sick] for a in spots))
    at, depth, _ = _places(dice, x, edges, lesion.centre, 6, spread=900)
    radius = dice.uniform(10, 24, 6)
    spots = (at, depth, 3 * radius, radius, lesion.n_foci)
    foci = _ellipses(x, y, *(a[sick] for a in spots))

    part = scene[:, sick]
    part += foci * (95 - part)
    part += darkness[sick] * cysts * (3 - part)
    scene[:, sick] = part
    drawn[:, sick] = np.maximum(drawn[:, sick], np.maximum(cysts, foci))


def _places(dice, x, edges, centre, k, spread):
    """Draw k positions in the retina of each eye; return x, y and the thickness there."""
    at = np.clip(centre + dice.normal(0, spread, k), 200, _WIDTH - 200)
    top, bottom = (_at(edges[name], x, at) for name in ("nerve fibre", "ellipsoid"))
    return at, top + (bottom - top) * dice.uniform(0.25, 0.8, k), bottom - top


def _ellipses(x, y, at, depth, half_width, half_height, count):
    """Return the cover of the first `count` ellipses of each image, with soft edges."""
    nearest = np.full((len(y), len(at), len(x)), 9, dtype=np.float32)
    for k in range(at.shape[1]):
        across = ((x - at[:, [k]]) / half_width[:, [k]]) ** 2 + 9 * (k >= count)
        down = ((y - depth[:, [k]]) / half_height[:, [k]]) ** 2
        np.minimum(nearest, across.astype(np.float32) + down, out=nearest)
    return np.clip(2 - 1.5 * nearest, 0, 1)


def _shine(dice, x, y, scene, behind):
    """Apply gain, shadows of vessels, background and, to some scans, a dark rim."""
    shade = dice.chance(0.25, 4) * dice.uniform(0.1, 0.6, 4)
    at, half = dice.uniform(0, _WIDTH, 4), dice.uniform(25, 110, 4)
    shade = shade[..., None] * _bump(x, at[..., None], half[..., None])
    light = dice.lognormal(1, 0.2) * (1 - shade).prod(axis=1, dtype=np.float32)
    light *= np.exp(dice.waves(x, 5000, dice.uniform(0, 0.25)))
    light *= np.exp(dice.waves(x, 300, dice.uniform(0, 0.02)))
    scene *= light
    haze = dice.lognormal(22, 0.27) * (1.15 - 0.35 / _DEPTH * y)
    scene += haze
    scene += (dice.lognormal(8.5, 0.4) - haze) * behind
    from_side = np.where(dice.chance(0.5), x, _WIDTH - x)
    rim = from_side < dice.uniform(100, 400) * dice.chance(0.04)
    scene *= np.where(rim, np.float32(0.15), np.float32(1))


def _speckle(dice, image, size):
    """Draw the noise of each pixel, the mean of several independent grains of speckle."""
    grains = max((496 / size) ** 2 / 2, 1)
    noise = (dice.rng.standard_gamma(grains, image.shape) - grains) / np.sqrt(grains)
    noise[:, 1:] += 0.25 * noise[:, :-1]
    noise[:, :, 1:] += 0.25 * noise[:, :, :-1]
    noise = noise.astype(np.float32) * dice.lognormal(1, 0.4)[..., None]
    return noise * (0.027 * image + size / 65 * np.exp(-image / 50))


def _below(y, edge, softness, out=None):
    """Return the cover of the area below an edge, which rises from 0 to 1 at the edge."""
    cover = np.subtract(y / softness, edge / softness - 0.5, out=out)
    return np.clip(cover, 0, 1, out=cover)


def _bump(x, centre, width, power=2):
    return np.exp(-(np.abs((x - centre) / width) ** power))


def _at(curve, x, places):
    """Return the values of curves (n, x) at positions (n, k)."""
    columns = np.clip(places / _WIDTH * len(x), 0, len(x) - 1).astype(int)
    return np.take_along_axis(curve, columns, axis=1)


def _smooth_field(dice, fine, rows, columns):
    """Draw noise that is smooth over the spacing of a coarse grid."""
    nodes = dice.normal(0, 1, rows * columns).reshape(dice.n, rows, columns)
    down, across = (_averaging(k, fine).astype(np.float32) for k in (rows, columns))
    return np.tensordot(down, nodes, axes=(1, 1)) @ across.T


def _averaging(fine, size):
    """Return the weights (size, fine) of an antialiased bilinear resize."""
    scale = max(fine / size, 1)
    centre = (np.arange(size)[:, None] + 0.5) * fine / size
    weights = np.maximum(1 - np.abs(np.arange(fine) + 0.5 - centre) / scale, 0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _average_down(weights, scene):
    """Reduce a scene (y, n, x) to images (n, size, size)."""
    return (np.tensordot(weights, scene, axes=1) @ weights.T).transpose(1, 0, 2)
