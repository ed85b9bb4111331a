// Small drawings: the hours of a cluster, a curve over the number of clusters.
import { el, svg } from './elements.js';
import { percent } from './text.js';

// A bar per hour of the day: the share of a cluster's clips, and as a line that of all clips.
export function hours(content, code) {
  const [own, all] = [new Float32Array(24), new Float32Array(24)];
  content.hour.forEach((hour, clip) => {
    if (hour > 23) return;
    all[hour]++;
    if (content.clusterOf.codes[clip] === code) own[hour]++;
  });
  const sum = (values) => values.reduce((a, b) => a + b, 0) || 1;
  const shares = [own, all].map((values) => values.map((value) => value / sum(values)));
  const most = Math.max(...shares[0], ...shares[1]);
  const [width, height] = [240, 40];
  const y = (share) => height - (share / most) * (height - 2);
  const bars = [...shares[0]].map((share, hour) =>
    svg('rect', {
      x: hour * 10 + 1,
      y: y(share),
      width: 8,
      height: height - y(share),
      fill: `var(--c${content.clusterOf.colours[code]})`,
    }),
  );
  const line = [...shares[1]].map((share, hour) => `${hour * 10},${y(share)} ${hour * 10 + 10},${y(share)}`).join(' ');
  const peak = shares[0].indexOf(Math.max(...shares[0]));
  return el(
    'figure',
    { class: 'hours' },
    svg(
      'svg',
      {
        viewBox: `0 0 ${width} ${height + 14}`,
        role: 'img',
        'aria-label': `Most clips, ${percent(shares[0][peak])}, start at ${peak} h`,
      },
      bars,
      svg('polyline', { points: line, class: 'line' }),
      [0, 6, 12, 18].map((hour) => svg('text', { x: hour * 10, y: height + 12 }, `${hour} h`)),
    ),
    el('figcaption', {}, 'time of day; the line is all clips'),
  );
}

const MARKS = [
  (x, y) => svg('circle', { cx: x, cy: y, r: 3 }),
  (x, y) => svg('rect', { x: x - 3, y: y - 3, width: 6, height: 6 }),
  (x, y) => svg('path', { d: `M${x} ${y - 4}l4 7h-8z` }),
  (x, y) => svg('path', { d: `M${x} ${y - 4}l4 4-4 4-4-4z` }),
];

// Measures over the number of clusters; the number that is shown is marked.
export function curve({ k, measures }, chosen, hidden) {
  const [width, height, left, bottom, top] = [560, 240, 34, 26, 14];
  const values = measures
    .filter((each) => !hidden.has(each.name))
    .flatMap((each) => each.values.filter((value) => value !== null));
  const [low, high] = [Math.min(0, ...values), Math.max(1e-9, ...values, values.length ? 0 : 1)];
  const log = (value) => Math.log(value);
  const x = (value) => left + ((log(value) - log(k[0])) / (log(k.at(-1)) - log(k[0]) || 1)) * (width - left - 10);
  const y = (value) => top + ((high - value) / (high - low)) * (height - top - bottom);
  const lines = measures.map((each, i) => {
    if (hidden.has(each.name)) return '';
    const points = k.map((number, at) => [number, each.values[at]]).filter(([, value]) => value !== null);
    const path = points.map(([number, value]) => `${x(number)},${y(value)}`).join(' ');
    return svg(
      'g',
      { class: 'measure', style: `--on: var(--c${CURVE_COLOURS[i % CURVE_COLOURS.length]})` },
      svg('polyline', { points: path }),
      points.map(([number, value]) => MARKS[i % MARKS.length](x(number), y(value))),
    );
  });
  const ticks = k.filter((number, i) => i === 0 || x(number) - x(k[i - 1]) > 17 || i % 2 === 0);
  const marks = [low, (low + high) / 2, high];
  return svg(
    'svg',
    {
      viewBox: `0 0 ${width} ${height}`,
      class: 'curve',
      role: 'img',
      'aria-label': `${measures.map((each) => each.name).join(', ')} by number of clusters; ${chosen} are shown`,
    },
    marks.map((value) => svg('line', { x1: left, x2: width - 10, y1: y(value), y2: y(value), class: 'grid' })),
    marks.map((value) => svg('text', { x: left - 6, y: y(value) + 4, 'text-anchor': 'end' }, value.toFixed(1))),
    ticks.map((number) => svg('text', { x: x(number), y: height - 8, 'text-anchor': 'middle' }, String(number))),
    chosen >= k[0] && chosen <= k.at(-1)
      ? svg(
          'g',
          { class: 'chosen' },
          svg('line', { x1: x(chosen), x2: x(chosen), y1: top, y2: height - bottom }),
          svg('text', { x: x(chosen) + 5, y: height - bottom - 6 }, `${chosen} shown`),
        )
      : '',
    lines,
  );
}

export const CURVE_COLOURS = [0, 3, 2, 8, 6, 5, 7];

export function mark(i) {
  return svg(
    'svg',
    {
      viewBox: '0 0 10 10',
      class: 'mark',
      'aria-hidden': 'true',
      style: `--on: var(--c${CURVE_COLOURS[i % CURVE_COLOURS.length]})`,
    },
    svg('g', { class: 'measure' }, MARKS[i % MARKS.length](5, 5)),
  );
}
