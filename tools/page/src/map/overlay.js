// What is drawn above the points: numbers of clusters, the clip that is chosen, its nearest, the one under the mouse.
import { visible } from '../text.js';

const LONGEST = 22; // characters of a name on the map
const MOST = 150; // names

export function paint(map) {
  const context = map.overlay.getContext('2d');
  context.clearRect(0, 0, map.width, map.height);
  neighbours(context, map);
  labels(context, map);
  if (map.hovered >= 0) ring(context, map, map.hovered, 1.5, 3);
  if (map.store.clip >= 0) ring(context, map, map.store.clip, 2.5, 5);
}

function neighbours(context, map) {
  const { store, content, theme } = map;
  if (store.clip < 0) return;
  const from = map.screen(store.clip);
  context.strokeStyle = theme.ink;
  context.lineWidth = 1;
  for (const row of content.neighboursOf(store.clip)) {
    if (!store.visible[row]) continue;
    const to = map.screen(row);
    context.globalAlpha = 0.35;
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.stroke();
    context.globalAlpha = 0.8;
    context.beginPath();
    context.arc(...to, map.size / 2 + 2, 0, 7);
    context.stroke();
  }
  context.globalAlpha = 1;
}

function ring(context, map, row, width, room) {
  const [x, y] = map.screen(row);
  for (const [colour, line] of [
    [map.theme.surface, width + 3],
    [map.theme.ink, width],
  ]) {
    context.beginPath();
    context.arc(x, y, map.size / 2 + room, 0, 7);
    context.strokeStyle = colour;
    context.lineWidth = line;
    context.stroke();
  }
}

// A number or name at the middle of each part, where most of its visible clips are.
function labels(context, map) {
  const { colouring } = map.store;
  map.middles ||= middles(map, colouring).slice(0, MOST);
  context.font = '600 13px system-ui, sans-serif';
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.lineJoin = 'round';
  const taken = [];
  const free = (box) =>
    !taken.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3]);
  for (const { code, row } of map.middles) {
    const [x, y] = map.screen(row);
    const fits = texts(colouring, code).find((text) => free(around(context, text, x, y)));
    if (!fits) continue;
    taken.push(around(context, fits, x, y));
    context.strokeStyle = map.theme.surface;
    context.lineWidth = 5;
    context.strokeText(fits, x, y);
    context.fillStyle = map.theme.ink;
    context.fillText(fits, x, y);
  }
}

function around(context, text, x, y) {
  const half = context.measureText(text).width / 2 + 2;
  return [x - half, y - 9, x + half, y + 9];
}

// What may name a part, the longest first.
function texts(category, code) {
  const cut = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text);
  const [number, title] = [category.badges[code], cut(visible(category.names[code]))];
  if (!number) return [title];
  return category.named?.[code] ? [`${number} ${title}`, number] : [number];
}

// Of each part but noise, the largest first, the visible clip that is nearest to the median of its visible clips.
function middles(map, category) {
  const { content, store } = map;
  const members = category.names.map(() => []);
  for (let row = 0; row < content.n; row++) if (store.visible[row]) members[category.codes[row]].push(row);
  return category.order
    .filter((code) => category.known[code] && members[code].length)
    .map((code) => ({ code, row: middle(content.xy, members[code]) }));
}

function middle(xy, rows) {
  const [x, y] = [0, 1].map((side) => {
    const values = Float32Array.from(rows, (row) => xy[2 * row + side]).sort();
    return values[values.length >> 1];
  });
  let best = rows[0];
  let least = Infinity;
  for (const row of rows) {
    const distance = (xy[2 * row] - x) ** 2 + (xy[2 * row + 1] - y) ** 2;
    if (distance < least) [best, least] = [row, distance];
  }
  return best;
}
