// Keys, but where something that reads keys has the focus.

const READERS = 'input:not([type=checkbox]), textarea, select, [role=tab]';

export function keyboard(store, player) {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'Escape') return escape(store, event);
    if (event.target.closest?.(READERS)) return;
    if (event.key === ' ' && event.target.closest?.('button, a, summary, label, input')) return;
    const action = ACTIONS[event.key] || (/^[0-9]$/.test(event.key) ? () => byNumber(store, Number(event.key)) : null);
    if (!action) return;
    event.preventDefault();
    action(store, player);
  });
}

const ACTIONS = {
  ' ': (_, player) => player.toggle(),
  ArrowLeft: (_, player) => player.step(-1),
  ArrowRight: (_, player) => player.step(1),
  '[': (store) => byCluster(store, -1),
  ']': (store) => byCluster(store, 1),
  x: (_, player) => player.onlyNearest(),
  '/': () => document.getElementById('search').focus(),
};

function escape(store, event) {
  event.target.blur?.();
  store.clear();
}

function byCluster(store, by) {
  const { clusters, clusterOf } = store.content;
  const now = store.clip < 0 ? -1 : clusterOf.ids[clusterOf.codes[store.clip]];
  const at = store.clip < 0 ? (by > 0 ? -1 : 0) : clusters.findIndex((each) => each.cluster === now);
  show(store, clusters[(at + by + clusters.length) % clusters.length]);
}

function byNumber(store, id) {
  const cluster = store.content.clusters.find((each) => each.cluster === id);
  if (cluster) show(store, cluster);
}

// Plays the first clip of a cluster that can be heard.
function show(store, { cluster, nearest }) {
  const { content } = store;
  const code = content.clusterOf.code(cluster);
  const rows = [...nearest, ...content.clusterOf.codes.keys()].filter((row) => content.clusterOf.codes[row] === code);
  document.getElementById(`cluster-${cluster}`)?.scrollIntoView({ block: 'nearest' });
  store.emit('play', rows.find((row) => content.heard(row)) ?? rows[0]);
}
