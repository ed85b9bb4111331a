// The tree of the clusters, SciPy's linkage: what it is like when it is cut, and its drawing.
import { Category, GREY } from './category.js';
import { svg } from './elements.js';

// The groups of ids that are left when the lowest joins are made until there are so many.
export function cut(linkage, ids, groups) {
  const members = ids.map((id) => [id]);
  for (const [a, b] of linkage.slice(0, Math.max(0, ids.length - groups))) {
    members.push([...members[a], ...members[b]]);
    members[a] = members[b] = null;
  }
  return members.filter(Boolean).map((each) => [...each].sort((a, b) => a - b));
}

// The clusters of a labelling by group, as colours of the map. A group has the colour of its largest cluster.
export function grouped(category, groups) {
  const home = new Map(groups.flatMap((group, i) => group.map((id) => [id, i])));
  const noise = groups.length;
  const codes = Int32Array.from(category.codes, (code) => home.get(category.ids[code]) ?? noise);
  const titles = groups.map((group) => group.map((id) => category.names[category.code(id)]).join(' + '));
  const found = new Category('cut', `Tree, cut into ${groups.length}`, [...titles, 'noise'], codes);
  found.known[noise] = false;
  found.badges = [...groups.map((group) => group.join('+')), '–'];
  found.order = found.order.filter((code) => found.counts[code]).sort((a, b) => found.known[b] - found.known[a]);
  const largest = (group) => group.reduce((a, b) => (size(category, b) > size(category, a) ? b : a));
  found.colours = Int32Array.from([...groups.map((group) => category.colours[category.code(largest(group))]), GREY]);
  return found;
}

function size(category, id) {
  return category.counts[category.code(id)];
}

const [ROW, WIDTH, LEFT] = [22, 520, 150];

// Leaves below each other, joins to their right, and the line at which the tree is cut.
export function dendrogram(linkage, category, ids, groups) {
  const top = linkage.at(-1)[2] || 1;
  const x = (height) => LEFT + (height / top) * (WIDTH - LEFT - 12);
  const order = leaves(linkage, ids.length);
  const nodes = ids.map((_, leaf) => ({ x: LEFT, y: (order.indexOf(leaf) + 0.5) * ROW }));
  const shown = grouped(category, groups);
  const joins = linkage.map(([a, b, height]) => {
    const [one, other] = [nodes[a], nodes[b]];
    nodes.push({ x: x(height), y: (one.y + other.y) / 2 });
    return svg('path', { d: `M${one.x} ${one.y}H${x(height)}V${other.y}H${other.x}`, class: 'join' });
  });
  const labels = ids.map((id, leaf) => {
    const colour = shown.colours[groups.findIndex((group) => group.includes(id))];
    const { y } = nodes[leaf];
    const called = category.named[category.code(id)]
      ? category.names[category.code(id)]
      : `${size(category, id)} clips`;
    return svg(
      'g',
      {},
      svg('rect', { x: LEFT - 40, y: y - 9, width: 34, height: 18, rx: 4, fill: `var(--c${colour})` }),
      svg(
        'text',
        { x: LEFT - 23, y: y + 4, 'text-anchor': 'middle', class: 'number', style: `fill: var(--t${colour})` },
        String(id),
      ),
      svg('text', { x: LEFT - 48, y: y + 4, 'text-anchor': 'end', class: 'leaf' }, short(called)),
    );
  });
  const made = ids.length - groups.length;
  const [below, above] = [made ? linkage[made - 1][2] : 0, made < linkage.length ? linkage[made][2] : top * 1.02];
  const at = x((below + above) / 2);
  const height = ids.length * ROW;
  const line = svg('line', { x1: at, x2: at, y1: 0, y2: height, class: 'cut' });
  return svg(
    'svg',
    {
      viewBox: `0 0 ${WIDTH} ${height}`,
      class: 'dendrogram',
      role: 'img',
      'aria-label': `Tree of ${ids.length} clusters, cut into ${groups.length}`,
    },
    joins,
    labels,
    line,
  );
}

function leaves(linkage, n) {
  const walk = (node) => (node < n ? [node] : [...walk(linkage[node - n][0]), ...walk(linkage[node - n][1])]);
  return walk(n + linkage.length - 1);
}

const short = (text) => (text.length > 14 ? `${text.slice(0, 13)}…` : text);
