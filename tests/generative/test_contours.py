"""Structure sets that are odd but legal, on any grid; matplotlib says what lies in a polygon."""

from pathlib import Path

import numpy as np
from matplotlib.path import Path as Polygon
from numpy.random import Generator
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from site_node.sources.dicom.faults import DicomFault, Fault
from site_node.sources.dicom.geometry import Grid
from site_node.sources.regions import each_region
from tests.generative.draws import DRAWS, chance, one
from tests.generative.test_images import rotation
from tests.lib.dicom_files import FRAME, new_object

Corners = NDArray[np.float64]  # (n, 2): x, y in pixels
SHAPE = (16, 40, 44)
KINDS = (
    *("plain", "twice", "hole", "keyhole", "items", "heights", "sparse", "dense", "outside", "xor", "apart"),
    *("island", "off plane", "points", "half way", "two parts", "decimals"),
)


def star(rng: Generator, centre: tuple[float, float], radius: float) -> Corners:
    """A polygon without crossing edges, whose corners hit no pixel's centre."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(6, 30))))
    if np.diff(angles, append=angles[0] + 2 * np.pi).max() > np.pi / 2:
        angles = np.linspace(0, 2 * np.pi, 17)[:-1] + 0.0123
    radii = radius * rng.uniform(0.75, 1.0, len(angles))
    return np.column_stack([centre[0] + radii * np.cos(angles), centre[1] + radii * np.sin(angles)])


def inside(corners: Corners) -> NDArray[np.bool_]:
    """(y, x) which pixels' centres lie in a polygon, by matplotlib."""
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    points = np.column_stack([x.ravel(), y.ravel()])
    return np.asarray(Polygon(corners, closed=False).contains_points(points).reshape(SHAPE[1:]))


class Drawn:
    """One region: its contours as (height in slices, corners, type), and its mask or its fault."""

    def __init__(self, rng: Generator) -> None:
        self.rng = rng
        self.kind = str(one(rng, *KINDS))
        self.axes, self.spacing = rotation(rng), rng.uniform(0.5, 4, 3)
        origin = rng.uniform(-200, 200, 3)
        x, y, z = (tuple(float(v) for v in row) for row in self.axes)
        self.grid = Grid(SHAPE, tuple(self.spacing), tuple(origin), (x, y, z), FRAME, "P-0042")  # type: ignore[arg-type]
        self.contours: list[tuple[float, Corners, str]] = []
        self.mask = np.zeros(SHAPE, dtype=bool)
        self.fault: Fault | None = None
        self.volume: int | None = None  # where only the number of voxels is known
        getattr(self, self.kind.replace(" ", "_"))()

    def centre(self) -> tuple[float, float]:
        return float(self.rng.uniform(16, 28)), float(self.rng.uniform(16, 24))

    def slices(self) -> range:
        first = int(self.rng.integers(2, 6))
        return range(first, first + int(self.rng.integers(2, 8)))

    def put(self, z: float, corners: Corners, kind: str = "CLOSED_PLANAR") -> None:
        """Adds a contour, begun at any of its corners and drawn either way round."""
        turned = np.roll(corners, int(self.rng.integers(len(corners))), axis=0)
        self.contours.append((z, turned[::-1] if self.rng.random() < 0.5 else turned, kind))

    def plain(self) -> None:
        centre = self.centre()
        for z in self.slices():
            corners = star(self.rng, centre, 12)
            self.put(z, corners)
            self.mask[z] = inside(corners)

    def twice(self) -> None:
        self.plain()
        for z, corners, kind in list(self.contours):
            self.put(z, corners, kind)

    def items(self) -> None:
        self.plain()

    def heights(self) -> None:
        """Heights off by what decimals take away."""
        self.plain()
        self.contours = [(z + float(self.rng.uniform(-0.03, 0.03)), c, k) for z, c, k in self.contours]

    def decimals(self) -> None:
        self.plain()

    def hole(self) -> None:
        centre = self.centre()
        for z in self.slices():
            outer, inner = star(self.rng, centre, 14), star(self.rng, centre, 6)
            self.put(z, outer)
            self.put(z + float(self.rng.uniform(-0.02, 0.02)), inner)
            self.mask[z] = inside(outer) & ~inside(inner)

    def island(self) -> None:
        centre = self.centre()
        for z in self.slices():
            rings = [star(self.rng, centre, radius) for radius in (15, 9, 4)]
            for ring in rings:
                self.put(z, ring)
            outer, hole, middle = map(inside, rings)
            self.mask[z] = (outer & ~hole) | middle

    def keyhole(self) -> None:
        """One contour that goes in to a hole and back on the same line."""
        centre = self.centre()
        for z in self.slices():
            outer, inner = star(self.rng, centre, 14), star(self.rng, centre, 6)
            corners = np.concatenate([outer, outer[:1], inner[:1], inner[:0:-1], inner[:1], outer[:1]])
            self.contours.append((z, corners, "CLOSED_PLANAR"))
            self.mask[z] = inside(outer) & ~inside(inner)

    def xor(self) -> None:
        centre = self.centre()
        for z in self.slices():
            outer, inner = star(self.rng, centre, 14), star(self.rng, centre, 6)
            self.put(z, outer, "CLOSEDPLANAR_XOR")
            self.put(z, inner, "CLOSEDPLANAR_XOR")
            self.mask[z] = inside(outer) ^ inside(inner)

    def apart(self) -> None:
        """Two areas beside each other in each slice."""
        for z in self.slices():
            left, right = star(self.rng, (11.3, 20.2), 8), star(self.rng, (31.7, 20.1), 8)
            self.put(z, left)
            self.put(z, right)
            self.mask[z] = inside(left) | inside(right)

    def two_parts(self) -> None:
        """Two parts above each other, with empty slices between them, that do not overlap."""
        for z in (2, 3, 4):
            left, right = star(self.rng, (11.3, 20.2), 8), star(self.rng, (31.7, 20.1), 8)
            self.put(z, left)
            self.put(z + 7, right)
            self.mask[z], self.mask[z + 7] = inside(left), inside(right)

    def sparse(self) -> None:
        """Contours on every second or third slice: each stands for so many."""
        step = int(self.rng.integers(2, 4))
        centre = self.centre()
        self.volume = 0
        for z in range(3, 3 + 3 * step, step):
            corners = star(self.rng, centre, 12)
            self.put(z, corners)
            self.volume += step * int(inside(corners).sum())

    def dense(self) -> None:
        """Contours at every half slice: those on the slices count."""
        centre = self.centre()
        found = self.slices()
        for z in found:
            corners = star(self.rng, centre, 12)
            self.put(z, corners)
            self.mask[z] = inside(corners)
            if z != found[-1]:
                self.put(z + 0.5, star(self.rng, centre, 12))

    def half_way(self) -> None:
        centre = self.centre()
        self.volume = 0
        for z in self.slices():
            corners = star(self.rng, centre, 12)
            self.put(z + 0.5, corners)
            self.volume += int(inside(corners).sum())

    def outside(self) -> None:
        """One contour that reaches out of the image, or lies above it."""
        self.plain()
        if self.rng.random() < 0.5:
            self.put(self.contours[-1][0], star(self.rng, (2.0, 20.0), 9))
        else:
            self.contours += [
                (z, self.contours[0][1], "CLOSED_PLANAR") for z in range(int(self.contours[-1][0]) + 1, 18)
            ]
        self.fault = Fault.REGION_OUTSIDE

    def off_plane(self) -> None:
        self.plain()
        self.fault = Fault.CONTOUR_OFF_PLANE

    def points(self) -> None:
        """Points and open lines beside the contours have no inside."""
        self.plain()
        self.contours.append((3, np.array([[20.0, 20.0]]), "POINT"))
        self.contours.append((4, star(self.rng, (20.0, 20.0), 18), "OPEN_PLANAR"))

    def write(self, path: Path) -> None:
        """The structure set, its contours in any order and in one item or two."""
        dataset = new_object("RTSTRUCT", "1.2.3.1", "1.2.3")
        roi, frame = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = 7, "GTV", FRAME
        frame.FrameOfReferenceUID = FRAME
        dataset.ReferencedFrameOfReferenceSequence, dataset.StructureSetROISequence = [frame], [roi]
        found = [self.contour(*self.contours[i]) for i in self.rng.permutation(len(self.contours))]
        parts = [found[::2], found[1::2]] if self.kind == "items" else [found]
        dataset.ROIContourSequence = []
        for part in parts:
            item = Dataset()
            item.ReferencedROINumber, item.ContourSequence = 7, part
            dataset.ROIContourSequence.append(item)
        dataset.save_as(path, enforce_file_format=True)

    def contour(self, z: float, corners: Corners, kind: str) -> Dataset:
        item = Dataset()
        item.ContourGeometricType, item.NumberOfContourPoints = kind, len(corners)
        heights = np.full(len(corners), float(z))
        if self.kind == "off plane":
            heights += np.linspace(0, 0.8, len(corners))
        points = self.grid.to_patient(np.column_stack([corners, heights]))
        decimals = 2 if self.kind == "decimals" else 7
        item.ContourData = [f"{value:.{decimals}f}" for value in points.ravel()]
        return item


def differs(drawn: Drawn, found: object) -> str:
    """What of a region is not as it was drawn; empty where all is."""
    if isinstance(found, DicomFault):
        return "" if found.fault is drawn.fault else found.fault.value
    if drawn.fault:
        return f"measured in spite of {drawn.fault}"
    mask = np.asarray(found)
    if drawn.volume is not None:
        return "" if mask.sum() == drawn.volume else f"{mask.sum()} voxels for {drawn.volume}"
    off = int((mask ^ drawn.mask).sum())
    most = 0.01 * drawn.mask.sum() if drawn.kind == "decimals" else 0
    return "" if off <= most else f"{off} of {drawn.mask.sum()} voxels"


@DRAWS
def test_a_region_holds_the_pixels_in_its_contours_or_is_refused(draws: range, tmp_path: Path) -> None:
    wrong: dict[int, str] = {}
    for draw in draws:
        drawn = Drawn(chance("contours", draw))
        drawn.write(tmp_path / "rs.dcm")
        told = differs(drawn, each_region(tmp_path / "rs.dcm", drawn.grid)["GTV"])
        if told:
            wrong[draw] = f"{drawn.kind}: {told}"
    assert wrong == {}
