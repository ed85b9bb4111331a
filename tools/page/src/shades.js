// From quiet to loud, even in lightness, so that it reads in grey and with any colour vision. Stops of magma.

const STOPS = [
  [0, 0, 4],
  [20, 14, 54],
  [59, 15, 112],
  [100, 26, 128],
  [140, 41, 129],
  [183, 55, 121],
  [222, 73, 104],
  [247, 112, 92],
  [254, 159, 109],
  [254, 207, 146],
  [252, 253, 191],
];

// Red, green, blue and opacity, 0 to 255, of a share between 0 and 1.
export function shade(share) {
  const at = Math.min(1, Math.max(0, share)) * (STOPS.length - 1);
  const i = Math.min(STOPS.length - 2, Math.floor(at));
  return [...STOPS[i].map((low, c) => Math.round(low + (at - i) * (STOPS[i + 1][c] - low))), 255];
}

// As wavesurfer.js takes it.
export const COLOUR_MAP = Array.from({ length: 256 }, (_, i) => shade(i / 255).map((value) => value / 255));
