// How many clusters: the curve over their number, and the tree, cut coarser by a slider.
import { curve, mark } from '../drawings.js';
import { button, el } from '../elements.js';
import { name, visible } from '../text.js';
import { cut, dendrogram, grouped } from '../tree.js';

export function howmany(store) {
  const { content } = store;
  const ids = content.clusterOf.ids.filter((id) => id >= 0).sort((a, b) => a - b);
  const parts = [
    content.numbers.k.length ? numbers(content, ids.length) : null,
    content.tree && ids.length > 1 ? coarser(store, ids) : null,
  ];
  return parts.some(Boolean) ? el('div', {}, parts) : null;
}

function numbers(content, chosen) {
  const { k, measures } = content.numbers;
  const hidden = new Set();
  const place = el('div', {});
  const draw = () => place.replaceChildren(curve(content.numbers, chosen, hidden));
  const legend = measures.map((each, i) => {
    const key = el(
      'button',
      { type: 'button', class: 'entry key', 'aria-pressed': 'true', title: 'Show or hide' },
      mark(i),
      name(each.name),
    );
    key.addEventListener('click', () => {
      if (!hidden.delete(each.name)) hidden.add(each.name);
      key.setAttribute('aria-pressed', String(!hidden.has(each.name)));
      draw();
    });
    return key;
  });
  draw();
  const rows = k.map((number, i) =>
    el(
      'tr',
      {},
      el('th', { scope: 'row' }, String(number)),
      measures.map((each) => el('td', { class: 'number' }, each.values[i]?.toFixed(3) ?? '')),
    ),
  );
  return el(
    'section',
    {},
    el('h2', {}, 'What speaks for which number of clusters'),
    content.numbers.advice ? el('p', {}, visible(content.numbers.advice)) : '',
    el('div', { class: 'keys' }, legend),
    place,
    el(
      'p',
      { class: 'muted' },
      'The number of clusters, and measures that need no labels. A number after which all of them fall is one that the recordings speak for.',
    ),
    el(
      'details',
      {},
      el('summary', {}, 'As a table'),
      el(
        'table',
        { class: 'list' },
        el(
          'thead',
          {},
          el(
            'tr',
            {},
            el('th', { scope: 'col' }, 'k'),
            measures.map((each) => el('th', { scope: 'col' }, name(each.name))),
          ),
        ),
        el('tbody', {}, rows),
      ),
    ),
  );
}

function coarser(store, ids) {
  const { content } = store;
  const { tree, clusterOf } = content;
  let groups = cut(tree, ids, ids.length);
  const place = el('div', {});
  const said = el('output', { for: 'cut' });
  const slider = el('input', {
    id: 'cut',
    type: 'range',
    min: 1,
    max: ids.length,
    value: ids.length,
    oninput: () => draw(true),
  });
  const merge = button('Take these merges into “Edit”', () =>
    store.emit(
      'merge',
      groups.filter((group) => group.length > 1),
    ),
  );
  const draw = (recolour) => {
    groups = cut(tree, ids, Number(slider.value));
    said.textContent = `${groups.length} of ${ids.length}`;
    merge.disabled = groups.length === ids.length;
    place.replaceChildren(dendrogram(tree, clusterOf, ids, groups));
    if (recolour) store.colour(groups.length === ids.length ? clusterOf : grouped(clusterOf, groups));
  };
  store.on('edits', () => draw(false));
  store.on('colour', (category) => {
    if (category.key === 'cut' || Number(slider.value) === ids.length) return;
    slider.value = ids.length;
    draw(false);
  });
  draw(false);
  return el(
    'section',
    {},
    el('h2', {}, 'Coarser: the tree of the clusters'),
    el(
      'p',
      { class: 'muted' },
      'Clusters that are alike join first. Move the slider to join them; the map takes the colours of the groups.',
    ),
    el('p', { class: 'slider' }, el('label', { for: 'cut' }, 'Groups '), slider, said),
    place,
    merge,
  );
}
