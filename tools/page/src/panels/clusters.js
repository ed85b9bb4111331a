// The clusters, the largest first: exemplars and edge cases to hear, what stands out, the names that clips have.
import { badge, thumb } from '../clip.js';
import { button, el } from '../elements.js';
import { hours } from '../drawings.js';
import { count, hertz, minus, name, percent, plural, seconds, signed } from '../text.js';

const LOUDER = 3; // dB in all bands that are worth saying
const LISTED = 3; // labels or groups

export function clusters(store) {
  const { content } = store;
  const largest = Math.max(...content.clusters.map((each) => each.clips));
  const cards = content.clusters.map((each) => card(store, each, largest));
  const panel = el(
    'div',
    { class: 'cards' },
    cards.map(({ element }) => element),
  );
  store.on('clip', () => cards.forEach((each) => each.mark()));
  store.on('edits', () => cards.forEach((each) => each.named()));
  return panel;
}

function card(store, each, largest) {
  const { content } = store;
  const category = content.clusterOf;
  const code = category.code(each.cluster);
  const noise = each.cluster < 0;
  const title = el('h2', {});
  const element = el('article', { class: 'card', id: `cluster-${each.cluster}`, tabindex: '-1' });
  const only = button('Show only', () => store.only(category, store.holds(category, code) ? [] : [code]), {
    class: 'quiet',
  });
  store.on('filter', () => (only.textContent = store.holds(category, code) ? 'Show all' : 'Show only'));
  const heard = [...each.nearest, ...each.farthest];
  element.append(
    el(
      'header',
      {},
      badge(category, code),
      title,
      el('span', { class: 'muted size' }, `${plural(each.clips, 'clip')} · ${percent(each.share)}`),
    ),
    el(
      'div',
      { class: 'bar', 'aria-hidden': 'true' },
      el('div', { style: `width: ${(100 * each.clips) / largest}%; background: var(--c${category.colours[code]})` }),
    ),
    row(store, 'Exemplars', each.nearest),
    row(store, 'Edge cases', each.farthest),
    noise && !heard.length ? row(store, 'Some of them', some(content, code)) : '',
    standing(content, each, code),
    el(
      'div',
      { class: 'actions' },
      button('Listen through', () => listen(store, each, code), {}),
      only,
      noise ? '' : button('Edit', () => store.emit('edit', each.cluster), { class: 'quiet' }),
    ),
  );
  const named = () => title.replaceChildren(name(category.names[code]));
  named();
  return {
    element,
    named,
    mark: () => element.classList.toggle('current', store.clip >= 0 && category.codes[store.clip] === code),
  };
}

function some(content, code) {
  const found = [];
  for (let clip = 0; clip < content.n && found.length < 5; clip++) {
    if (content.clusterOf.codes[clip] === code && content.heard(clip)) found.push(clip);
  }
  return found;
}

function row(store, title, rows) {
  if (!rows.length) return '';
  return el(
    'div',
    { class: 'row' },
    el('h3', {}, title),
    el(
      'div',
      { class: 'thumbs' },
      rows.map((clip) => thumb(store, clip, true)),
    ),
  );
}

function listen(store, each, code) {
  const rows = each.nearest.length ? each.nearest : some(store.content, code);
  store.emit('listen', { rows, title: each.cluster < 0 ? 'Noise' : `Cluster ${each.cluster}` });
}

function standing(content, each, code) {
  const facts = [
    ...each.bands.map(([from, to, db]) => [`${hertz(from)} – ${hertz(to)}`, `${signed(db)} dB against the rest`]),
    Math.abs(each.all_bands) >= LOUDER ? ['All bands', `${signed(each.all_bands)} dB against the rest`] : null,
    against('Duration', each.duration, each.duration_rest, seconds),
    against('Level', each.level, each.level_rest, (value) => `${minus(value)} dBFS`),
    each.purity === null ? null : ['Purity', `${percent(each.purity)} of the nearest neighbours are in it`],
    each.terms.length ? ['Words', each.terms.map((term, i) => [i ? ', ' : '', name(term)])] : null,
    ...['label', 'group', 'folder']
      .filter((key) => key !== 'folder' || !content.foldersAreLabels)
      .map((key) => shares(content, key, code)),
  ].filter(Boolean);
  const list = el(
    'dl',
    {},
    facts.map(([term, text]) => [el('dt', {}, term), el('dd', {}, text)]),
  );
  const clock = content.hour ? hours(content, code) : '';
  return el('div', { class: 'standing' }, list, clock);
}

// Said where the middle of a cluster lies outside of the middle half of the rest.
function against(what, own, rest, form) {
  if (own.median === null || rest.median === null) return null;
  const outside = own.median < rest.q1 || own.median > rest.q3;
  return outside ? [what, `${form(own.median)} against ${form(rest.median)} (medians)`] : null;
}

// The commonest labels, groups or folders of a cluster, where they tell it from the rest.
function shares(content, key, code) {
  const category = content.categories.get(key);
  if (!category) return null;
  const counts = new Int32Array(category.names.length);
  let size = 0;
  content.clusterOf.codes.forEach((own, clip) => {
    if (own !== code || !category.known[category.codes[clip]]) return;
    counts[category.codes[clip]]++;
    size++;
  });
  if (!size) return null;
  const top = [...counts.keys()].filter((i) => counts[i]).sort((a, b) => counts[b] - counts[a]);
  const most = counts[top[0]] / size;
  if (key !== 'label' && most < 2 * (category.counts[top[0]] / content.n)) return null;
  const shown = top
    .slice(0, LISTED)
    .map((i, at) => [at ? ', ' : '', name(category.names[i]), ` ${percent(counts[i] / size)}`]);
  const more = top.length - LISTED;
  return [category.title, [shown, more > 0 ? `, ${count(more)} more` : '']];
}
