// Timelines of the recordings that have several clips: which cluster is heard when.
import { button, el, whenSeen } from '../elements.js';
import { name, plural, seconds } from '../text.js';

const PAGE = 60; // recordings that are listed at first, and added at a time
const HEIGHT = 26;

export function recordings(store, theme) {
  const { content } = store;
  const rows = new Map();
  content.recording.forEach((path, row) => {
    if (content.several[path] < 2) return;
    if (!rows.has(path)) rows.set(path, []);
    rows.get(path).push(row);
  });
  for (const each of rows.values()) each.sort((a, b) => content.start[a] - content.start[b]);
  const longest = Math.max(...[...rows.values()].map((each) => last(content, each)));
  let shown = PAGE;
  const list = el('div', { class: 'timelines' });
  const head = el('p', { class: 'muted', role: 'status' });
  const more = button('Show more', () => {
    shown += PAGE;
    draw();
  });
  let lines = [];
  const draw = () => {
    const found = [...rows].filter(([, each]) => each.some((row) => store.visible[row]));
    const single = content.paths.length - rows.size;
    head.textContent = `${plural(found.length, 'recording')} of several clips${single ? `; ${plural(single, 'recording')} of one clip ${single === 1 ? 'is' : 'are'} not listed here` : ''}. Click a place to hear it.`;
    lines = found.slice(0, shown).map(([path, each]) => timeline(store, theme, path, each, longest));
    list.replaceChildren(...lines.map(({ element }) => element));
    more.hidden = found.length <= shown;
  };
  const again = () => (panel.hidden ? (panel.stale = true) : lines.forEach((each) => each.paint()));
  store.on('filter', () => (panel.hidden ? (panel.stale = true) : draw()));
  store.on('colour', again);
  store.on('clip', again);
  theme.onchange(again);
  const panel = el('div', {}, head, list, more);
  panel.draw = draw;
  panel.stale = true;
  return rows.size ? panel : null;
}

function last(content, rows) {
  return rows.reduce((end, row) => Math.max(end, until(content, row)), 0);
}

function until(content, row) {
  return Number.isFinite(content.end[row]) ? content.end[row] : content.start[row];
}

function timeline(store, theme, path, rows, longest) {
  const { content } = store;
  const end = last(content, rows) || 1;
  const canvas = el('canvas', { height: HEIGHT, style: `width: ${Math.max(12, (100 * end) / longest)}%` });
  const paint = () => draw(canvas, store, theme, rows, end);
  canvas.addEventListener('click', (event) => {
    const at = (event.offsetX / canvas.clientWidth) * end;
    const here = rows.filter(
      (row) => content.start[row] <= at && at < Math.max(until(content, row), content.start[row] + 0.01),
    );
    const near = rows.reduce((a, b) => (Math.abs(content.start[a] - at) <= Math.abs(content.start[b] - at) ? a : b));
    store.emit('play', here.at(-1) ?? near);
  });
  whenSeen(canvas, paint);
  const element = el(
    'section',
    { class: 'timeline' },
    el(
      'div',
      { class: 'row-head' },
      el('h3', {}, name(content.paths[path])),
      el('span', { class: 'muted' }, `${plural(rows.length, 'clip')}, ${seconds(end)}`),
      button('Listen through', () => store.emit('listen', { rows, title: 'Recording' }), { class: 'quiet' }),
      button('Show only', () => store.rows(rows, 'recording'), { class: 'quiet' }),
    ),
    canvas,
  );
  return { element, paint };
}

function draw(canvas, store, theme, rows, end) {
  const { content, colouring } = store;
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  if (!width) return;
  canvas.width = width * ratio;
  canvas.height = HEIGHT * ratio;
  const context = canvas.getContext('2d');
  context.scale(ratio, ratio);
  context.fillStyle = theme.palette[11];
  context.fillRect(0, 0, width, HEIGHT);
  context.font = '600 11px system-ui, sans-serif';
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  const styles = getComputedStyle(document.documentElement);
  for (const row of rows) {
    if (!store.visible[row]) continue;
    const from = (content.start[row] / end) * width;
    const wide = Math.max(1.5, ((until(content, row) - content.start[row]) / end) * width);
    const colour = colouring.colourOf(row);
    context.fillStyle = theme.palette[colour];
    context.fillRect(from, 0, Math.max(1, wide - 1), HEIGHT);
    const text = colouring.badges[colouring.codes[row]];
    if (text && wide > 9 * text.length + 4) {
      context.fillStyle = styles.getPropertyValue(`--t${colour}`);
      context.fillText(text, from + wide / 2, HEIGHT / 2);
    }
    if (row === store.clip) {
      context.strokeStyle = theme.ink;
      context.lineWidth = 3;
      context.strokeRect(from + 1.5, 1.5, Math.max(2, wide - 3), HEIGHT - 3);
    }
  }
}
