# SPDX-License-Identifier: Apache-2.0
"""The data of the comparison: seeded generators with the structure of two well-known sets (nothing
is downloaded), the synthetic set of the headline, and scikit-learn's built-in real sets. Each gives
training rows, their targets, and rows that no training has seen. NumPy and scikit-learn only.
"""

import copy
import functools

import numpy
from sklearn import datasets

TEST_ROWS = 10_000


class Data:
    """train and test are float64, C order; values are not rounded to float32. `real_count`: how
    many of the test rows are distinct (small sets repeat theirs up to TEST_ROWS)."""

    def __init__(self, train, target, test):
        self.train = numpy.ascontiguousarray(train, dtype=numpy.float64)
        self.target = target
        self.real_count = len(test)
        repeats = -(-TEST_ROWS // len(test))
        test = numpy.tile(test, (repeats, 1))[:TEST_ROWS]
        self.test = numpy.ascontiguousarray(test, dtype=numpy.float64)

    def first(self, count):
        """The first rows of both; all of them for None."""
        some = copy.copy(self)
        some.train, some.target, some.test = (
            rows[:count] for rows in (self.train, self.target, self.test))
        some.real_count = min(self.real_count, len(some.test))
        return some


def make_binary50():
    """50 features, 20 of them informative, two classes, 2 % of the classes drawn at random."""
    rows, target = datasets.make_classification(
        50_000 + TEST_ROWS, n_features=50, n_informative=20, n_classes=2, flip_y=0.02,
        random_state=1)
    return Data(rows[:50_000], target[:50_000], rows[50_000:])


def make_housing():
    """As California housing: 20,640 blocks of houses, 8 features, the value of a house."""
    random = numpy.random.default_rng(7)
    count = 20_640 + TEST_ROWS
    # Two thirds live around two cities, the others anywhere along the diagonal of the state.
    place = random.choice(3, count, p=(0.42, 0.26, 0.32))
    along = random.random(count)
    latitude = numpy.choose(place, (34.05, 37.75, 32.6 + 9.2 * along))
    longitude = numpy.choose(place, (-118.25, -122.25, -117.0 - 6.8 * along))
    latitude = numpy.round(latitude + random.normal(0, 0.33, count), 2)
    longitude = numpy.round(longitude + random.normal(0, 0.38, count), 2)
    income = numpy.clip(random.lognormal(1.22, 0.46, count), 0.5, 15)
    age = numpy.minimum(numpy.round(random.gamma(4.2, 7.2, count)) + 1, 52)
    homes = random.lognormal(6.0, 0.7, count)
    rooms = numpy.clip(3.2 + 0.55 * income + random.normal(0, 0.9, count), 0.8, None)
    bedrooms = numpy.clip(random.normal(1.06, 0.11, count), 0.3, None)
    occupants = numpy.clip(random.lognormal(1.05, 0.25, count), 0.7, None)
    people = numpy.maximum(numpy.round(homes * occupants), 3)
    city = numpy.minimum(numpy.hypot(latitude - 34.05, longitude + 118.25),
                         numpy.hypot(latitude - 37.75, longitude + 122.25))
    value = (0.42 * income + 1.5 * numpy.exp(-1.6 * city) + 0.006 * age - 0.28 * (occupants - 2.8)
             + 0.4 * numpy.sin(3 * latitude) * (income > 4) + random.normal(0, 0.42, count))
    value = numpy.clip(value, 0.15, 5.00001)
    rows = numpy.column_stack(
        (income, age, rooms, bedrooms, people, occupants, latitude, longitude))
    return Data(rows[:20_640], value[:20_640], rows[20_640:])


def make_covertype():
    """As covertype: 10 measured features in whole numbers, 4 areas and 40 soils as indicators,
    seven classes that follow height, soil and water, two of them most of the rows."""
    random = numpy.random.default_rng(11)
    count = 50_000 + TEST_ROWS
    area = random.choice(4, count, p=(0.45, 0.05, 0.44, 0.06))
    height = numpy.choose(area, (3005, 3320, 2960, 2320)) + random.normal(0, 215, count)
    soil = numpy.clip(numpy.round((height - 1900) / 45 + random.normal(0, 4.5, count)), 0, 39)
    aspect = random.integers(0, 360, count)
    slope = numpy.clip(numpy.round(random.gamma(3.6, 3.9, count)), 0, 60)
    water = numpy.round(random.exponential(265, count) / 30) * 30
    water_up = numpy.round(water * random.normal(0.17, 0.16, count))
    roads = numpy.round(random.gamma(2.1, 1120, count))
    fire = numpy.round(random.gamma(2.2, 900, count))
    angle = numpy.radians(aspect)
    morning = 212 + 1.35 * slope * numpy.sin(angle) - 0.03 * slope ** 2
    noon = 223 - 0.95 * slope * numpy.cos(angle) - 0.035 * slope ** 2
    evening = 142 - 2.2 * slope * numpy.sin(angle) - 0.02 * slope ** 2
    shades = [numpy.clip(numpy.round(s + random.normal(0, 4, count)), 0, 254)
              for s in (morning, noon, evening)]
    level = (height + 0.05 * roads - 0.11 * water + 1.5 * water_up - 2.1 * slope
             + 60 * ((soil.astype(int) * 7) % 5 - 2) + 35 * numpy.cos(angle)
             + random.normal(0, 55, count))
    # The classes by height, in covertype's numbers and shares; 2 and 1 are the large ones.
    bounds = numpy.quantile(level, (0.005, 0.067, 0.097, 0.113, 0.6, 0.965))
    target = numpy.array([4, 3, 6, 5, 2, 1, 7])[numpy.searchsorted(bounds, level)]
    is_random = random.random(count) < 0.03
    target = numpy.where(is_random, random.integers(1, 8, count), target)
    measured = [numpy.round(height), aspect, slope, water, water_up, roads, *shades, fire]
    rows = numpy.column_stack(
        measured + [area == i for i in range(4)] + [soil == i for i in range(40)])
    return Data(rows[:50_000], target[:50_000], rows[50_000:])


def split_real(load):
    """Half of a built-in set trains, the other half is predicted."""
    rows, target = load(return_X_y=True)
    order = numpy.random.default_rng(3).permutation(len(rows))
    half = len(rows) // 2
    return Data(rows[order[:half]], target[order[:half]], rows[order[half:]])


MAKERS = {
    "binary50": make_binary50,
    "housing": make_housing,
    "covertype": make_covertype,
    "breast_cancer": lambda: split_real(datasets.load_breast_cancer),
    "digits": lambda: split_real(datasets.load_digits),
    "diabetes": lambda: split_real(datasets.load_diabetes),
    "wine": lambda: split_real(datasets.load_wine),
}


@functools.lru_cache(maxsize=1)
def make_data(name):
    return MAKERS[name]()
