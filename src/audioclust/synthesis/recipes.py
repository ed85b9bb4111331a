"""The nine scenes: which sources sound in a clip, how loud, and how often.

Each recipe takes a generator and a length, and returns the dry sound (n,) at the level at which it reaches the
microphone, RMS about -20 (vacuum cleaner) to -55 dB re full scale (nobody there). What a scene shares with its
neighbours is deliberate: cutlery is heard in three scenes, speech in four, water in two, faint ones are near absence.
"""

import numpy as np

from audioclust.synthesis.events import PASSING, impacts, passing_car, repeat, scrape, talker
from audioclust.synthesis.music import music
from audioclust.synthesis.rooms import Session, record
from audioclust.synthesis.sources import (
    RATE,
    band,
    band_noise,
    bubbles,
    event_times,
    key_click,
    motor,
    peak_at,
    place,
    rms_at,
    rustle,
    sizzle,
    slow_curve,
    struck,
    tilted_noise,
)
from audioclust.synthesis.voices import laughter

Generator = np.random.Generator


def absence(rng: Generator, n: int) -> np.ndarray:
    """Nobody there: room tone, at times a refrigerator, a car outside or a clock."""
    out = rms_at(tilted_noise(rng, n, -4), rng.uniform(-62, -54))
    if rng.random() < 0.4:
        out += rms_at(motor(rng, np.full(n, rng.uniform(48, 60)), -5), rng.uniform(-60, -46))
    if rng.random() < 0.35:
        out += rms_at(passing_car(rng, n), rng.uniform(-54, -38))
    if rng.random() < 0.25:
        out += peak_at(repeat(rng, n, rng.choice([1.0, 2.0]), 400, lambda: struck(rng, 2600, 0.006, 4)), -44)
    return out


def cooking(rng: Generator, n: int) -> np.ndarray:
    """Frying, boiling or both, an extractor hood at times, a spoon or a pan now and then."""
    frying = rms_at(sizzle(rng, n, rng.uniform(200, 1500), rng.uniform(900, 3000)), rng.uniform(-40, -27))
    boiling = rms_at(bubbles(rng, n, rng.uniform(30, 150), rng.uniform(180, 400), 1600), rng.uniform(-46, -29))
    out = (frying, boiling, frying + boiling)[rng.choice(3, p=[0.35, 0.15, 0.5])]
    if rng.random() < 0.4:
        hood = motor(rng, rng.uniform(90, 190) * (1 + 0.004 * slow_curve(rng, n, 2)), -7)
        out += rms_at(rms_at(hood, -6) + rms_at(tilted_noise(rng, n, -4), 0), rng.uniform(-42, -30))
    spoon = impacts(rng, n, rng.uniform(0.1, 1.2), (600, 2500), (0.02, 0.12))
    return out + peak_at(spoon, rng.uniform(-30, -12))


def dishwashing(rng: Generator, n: int) -> np.ndarray:
    """A tap or hands in water, and plates and cutlery knocking together."""
    stream = band_noise(rng, n, rng.uniform(250, 900), rng.uniform(3500, 7000))
    stream = stream * 10 ** (5 * slow_curve(rng, n, 3) / 20)
    splashes = bubbles(rng, n, rng.uniform(60, 250), 400, 2500) * (1 + slow_curve(rng, n, 6))
    water = rms_at(stream, rng.uniform(-9, 3)) + rms_at(splashes, 0)
    plates = impacts(rng, n, rng.uniform(0.8, 3), (700, 1900), (0.02, 0.08))
    cutlery = impacts(rng, n, rng.uniform(0.5, 3), (1800, 4200), (0.04, 0.2))
    out = rms_at(water, rng.uniform(-46, -27))
    return out + peak_at(plates, rng.uniform(-22, -8)) + peak_at(cutlery, rng.uniform(-26, -10))


def eating(rng: Generator, n: int) -> np.ndarray:
    """A fork and a knife on a plate, scraping, chewing; a word at times."""
    fork = impacts(rng, n, rng.uniform(0.5, 2), (1800, 4000), (0.03, 0.15))
    plate = impacts(rng, n, rng.uniform(0.2, 1.2), (700, 1700), (0.02, 0.06))
    scraping = repeat(rng, n, 0.4, 1, lambda: scrape(rng))
    chewing = repeat(rng, n, rng.uniform(1.2, 1.9), 30, lambda: rustle(rng, rng.uniform(0.12, 0.3), 350, 2600))
    out = peak_at(fork, rng.uniform(-32, -16)) + peak_at(plate, rng.uniform(-32, -18))
    out += peak_at(scraping, rng.uniform(-40, -26)) + peak_at(chewing, rng.uniform(-42, -28))
    if rng.random() < 0.2:
        out += rms_at(talker(rng, n, pause=1.2), rng.uniform(-50, -38))
    return out


def other(rng: Generator, n: int) -> np.ndarray:
    """Two or three passing events: footsteps, a door, a drawer, coughs, a bag, something that falls."""
    out = np.zeros(n)
    for choice in rng.permutation(len(PASSING))[: rng.integers(2, 4)]:
        out += peak_at(PASSING[choice](rng, n), rng.uniform(-30, -10))
    return out


def social_activity(rng: Generator, n: int) -> np.ndarray:
    """Two to four talkers who take turns and overlap, laughter, a glass or a cup at times."""
    out = np.zeros(n)
    for _ in range(rng.integers(2, 5)):
        out += rms_at(talker(rng, n, pause=rng.uniform(0.4, 1.6)), rng.uniform(-40, -28))
    if rng.random() < 0.35:
        out += rms_at(repeat(rng, n, 0.4, 1, lambda: laughter(rng, rng.uniform(120, 260))), rng.uniform(-36, -27))
    cups = impacts(rng, n, rng.uniform(0.05, 0.6), (1200, 3500), (0.03, 0.15))
    return out + peak_at(cups, rng.uniform(-36, -18))


def vacuum_cleaner(rng: Generator, n: int) -> np.ndarray:
    """A universal motor under changing load, its airflow, and the brush on the floor."""
    strokes = slow_curve(rng, n, rng.uniform(0.8, 2))
    whine = motor(rng, rng.uniform(140, 420) * (1 + rng.uniform(0.02, 0.08) * strokes), rng.uniform(-5, -2))
    air = tilted_noise(rng, n, rng.uniform(-4, -1)) + 0.5 * band_noise(rng, n, 500, 3000)
    brush = band_noise(rng, n, 1500, 6500) * (1 + strokes)
    out = rms_at(whine, rng.uniform(-6, 3)) + rms_at(air, 0) + rms_at(brush, rng.uniform(-14, -3))
    return rms_at(out, rng.uniform(-30, -18))


def watching_tv(rng: Generator, n: int) -> np.ndarray:
    """Broadcast speech without long pauses over music, or either alone, compressed, from a small loudspeaker."""
    share = rng.choice([rng.uniform(-25, -12), rng.uniform(-8, 2), rng.uniform(10, 20)], p=[0.35, 0.4, 0.25])
    programme = rms_at(talker(rng, n, pause=0.25), 0) + rms_at(music(rng, n), share)
    compressed = np.tanh(1.5 * programme / programme.std())
    small = band(compressed, rng.uniform(130, 320), rng.uniform(4500, 6800))
    boxy = small + 0.8 * band(compressed, 700, 1400, order=1)
    return rms_at(boxy, rng.uniform(-42, -26))


def working(rng: Generator, n: int) -> np.ndarray:
    """Typing in bursts, the mouse, at times paper; a computer's fan."""
    case = rng.uniform(900, 2600)
    keys = event_times(rng, n, rng.uniform(3.5, 8), rng.uniform(1.5, 6))
    thinking = slow_curve(rng, n, 1.2)[(keys * RATE).astype(int)] < rng.uniform(-1, -0.2)
    typing = place(n, keys[~thinking], lambda: key_click(rng, case))
    mouse = repeat(rng, n, 0.6, 1, lambda: key_click(rng, 3200))
    paper = repeat(rng, n, 0.25, 1, lambda: rustle(rng, rng.uniform(0.3, 1.0), 1500, 7500))
    out = peak_at(typing, rng.uniform(-34, -16)) + peak_at(mouse, rng.uniform(-38, -24))
    out += peak_at(paper, rng.uniform(-40, -26)) * (rng.random() < 0.5)
    fan = rms_at(tilted_noise(rng, n, -3), 0) + rms_at(motor(rng, np.full(n, rng.uniform(70, 130)), -6), -8)
    return out + rms_at(fan, rng.uniform(-60, -48))


RECIPES = {
    recipe.__name__: recipe
    for recipe in (
        absence,
        cooking,
        dishwashing,
        eating,
        other,
        social_activity,
        vacuum_cleaner,
        watching_tv,
        working,
    )
}


def clip(scene: str, index: int, n: int, where: Session, seed: int) -> np.ndarray:
    """Clip ``index`` of ``scene`` recorded in a session: (n,) in -1..1, a function of these arguments alone.

    The source is up to 6 dB louder or softer than its recipe says; the background is the session's.
    """
    number = list(RECIPES).index(scene)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number, index)))
    source = RECIPES[scene](rng, n) * 10 ** (rng.uniform(-6, 6) / 20)
    return record(rng, source, where)
