// Two labellings side by side: how many clips each pair of parts shares.
import { badge } from '../clip.js';
import { button, el, select } from '../elements.js';
import { count, name } from '../text.js';

const MOST = 40; // rows and columns; smaller parts are added up

export function compare(store) {
  const { content } = store;
  const categories = [...content.categories.values()];
  if (categories.length < 2) return null;
  let [a, b] = categories;
  const options = categories.map((each) => [each.key, label(each)]);
  const place = el('div', { class: 'scroll' });
  const said = el('p', {});
  const draw = () => {
    const rand = adjusted(a, b);
    said.textContent = `Adjusted Rand index ${rand.toFixed(3)}: 1 where both have the same parts, 0 where they agree by chance alone.`;
    place.replaceChildren(table(store, a, b));
  };
  const chosen = (set) => (key) => {
    set(content.categories.get(key));
    draw();
  };
  const panel = el(
    'div',
    {},
    el(
      'div',
      { class: 'choices' },
      el(
        'label',
        {},
        'Rows ',
        select(
          options,
          a.key,
          chosen((each) => (a = each)),
        ),
      ),
      el(
        'label',
        {},
        'Columns ',
        select(
          options,
          b.key,
          chosen((each) => (b = each)),
        ),
      ),
      el(
        'span',
        {},
        'Colours of the map ',
        button('rows', () => store.colour(a)),
        ' ',
        button('columns', () => store.colour(b)),
      ),
    ),
    said,
    place,
    el('p', { class: 'muted' }, 'A number is how many clips are in both; click it to see and hear only these.'),
  );
  panel.draw = draw;
  panel.stale = true;
  return panel;
}

const label = (category) =>
  category.clusters ? `${category.title} (${category.ids.filter((id) => id >= 0).length})` : category.title;

function contingency(a, b) {
  const [rows, columns] = [a.names.length, b.names.length];
  const counts = new Int32Array(rows * columns);
  for (let i = 0; i < a.codes.length; i++) counts[a.codes[i] * columns + b.codes[i]]++;
  return counts;
}

const pairs = (n) => (n * (n - 1)) / 2;
const sum = (values) => values.reduce((total, value) => total + pairs(value), 0);

// Hubert and Arabie 1985.
function adjusted(a, b) {
  const [both, one, other] = [contingency(a, b), a.counts, b.counts].map((counts) => sum([...counts]));
  const expected = (one * other) / pairs(a.codes.length) || 0;
  const most = (one + other) / 2;
  return most === expected ? 1 : (both - expected) / (most - expected);
}

function table(store, a, b) {
  const counts = contingency(a, b);
  const at = (row, column) => counts[row * b.names.length + column];
  const rows = a.order.slice(0, MOST);
  const columns = aligned(rows, b.order.slice(0, MOST), at);
  const dropped = a.order.length - rows.length + b.order.length - columns.length;
  const cell = (row, column) => {
    const n = at(row, column);
    if (!n) return el('td', {});
    const share = n / a.counts[row];
    const show = () => {
      store.only(a, [row]);
      store.only(b, [column]);
    };
    return el('td', { style: `--share: ${Math.round(100 * share)}%` }, button(count(n), show, { class: 'cell' }));
  };
  const body = rows.map((row) =>
    el(
      'tr',
      {},
      el('th', { scope: 'row' }, head(a, row)),
      columns.map((column) => cell(row, column)),
    ),
  );
  return el(
    'table',
    { class: 'contingency' },
    el(
      'thead',
      {},
      el(
        'tr',
        {},
        el('th', {}),
        columns.map((column) => el('th', { scope: 'col' }, head(b, column))),
      ),
    ),
    el('tbody', {}, body),
    dropped ? el('caption', {}, `${dropped} smaller parts are left out.`) : '',
  );
}

function head(category, code) {
  if (!category.clusters) return name(category.names[code]);
  return [badge(category, code), category.named[code] ? [' ', name(category.names[code])] : ''];
}

// Columns in the order of the rows that hold most of them.
function aligned(rows, columns, at) {
  const home = (column) => rows.reduce((best, row, i) => (at(row, column) > at(rows[best], column) ? i : best), 0);
  const place = new Map(columns.map((column) => [column, home(column)]));
  return [...columns].sort(
    (x, y) => place.get(x) - place.get(y) || at(rows[place.get(y)], y) - at(rows[place.get(x)], x),
  );
}
