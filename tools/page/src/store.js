// What is chosen on the page: a clip, the colours, filters. Those who draw it listen.

export class Store {
  constructor(content) {
    this.content = content;
    this.clip = -1;
    this.colouring = content.clusterOf;
    this.filters = new Map(); // category -> set of codes; 'text' -> words; 'rows' -> {rows, title}
    this.visible = new Uint8Array(content.n).fill(1);
    this.shown = content.n;
    this.listeners = {};
  }

  on(event, listener) {
    (this.listeners[event] ||= []).push(listener);
  }

  emit(event, detail) {
    for (const listener of this.listeners[event] || []) listener(detail);
  }

  choose(row) {
    this.clip = row;
    this.emit('clip', row);
  }

  colour(category) {
    this.colouring = category;
    this.emit('colour', category);
  }

  // Show only the clips of some parts of a category; none: all of them.
  only(category, codes) {
    const set = new Set(codes);
    if (set.size) this.filters.set(category, set);
    else this.filters.delete(category);
    this._apply();
  }

  toggle(category, code) {
    const set = new Set(this.filters.get(category));
    if (!set.delete(code)) set.add(code);
    this.only(category, set);
  }

  holds(category, code) {
    return Boolean(this.filters.get(category)?.has(code));
  }

  words(text) {
    if (text) this.filters.set('text', text);
    else this.filters.delete('text');
    this._apply();
  }

  rows(rows, title) {
    this.filters.set('rows', { rows, title });
    this._apply();
  }

  drop(key) {
    this.filters.delete(key);
    this._apply();
  }

  clear() {
    this.filters.clear();
    this._apply();
  }

  _apply() {
    const { content, visible } = this;
    visible.fill(1);
    for (const [key, value] of this.filters) {
      const keep = this._keep(key, value);
      for (let row = 0; row < content.n; row++) if (visible[row] && !keep(row)) visible[row] = 0;
    }
    this.shown = visible.reduce((sum, each) => sum + each, 0);
    this.emit('filter');
  }

  _keep(key, value) {
    if (key === 'rows') {
      const set = new Set(value.rows);
      return (row) => set.has(row);
    }
    if (key === 'text') {
      const words = value.toLowerCase().split(/\s+/).filter(Boolean);
      const fits = this.content.paths.map((path) => {
        const lower = path.toLowerCase();
        return words.every((word) => lower.includes(word));
      });
      return (row) => fits[this.content.recording[row]];
    }
    return (row) => value.has(key.codes[row]);
  }

  // The rows that are shown: nearest first where they were searched by example, else by cluster, the largest first.
  listed() {
    const by = this.filters.get('rows');
    if (by) return by.rows.filter((row) => this.visible[row]);
    const { codes, order } = this.content.clusterOf;
    const place = new Int32Array(order.length);
    order.forEach((code, i) => (place[code] = i));
    return this.rowsShown().sort((a, b) => place[codes[a]] - place[codes[b]] || a - b);
  }

  // The rows that are shown, as they stand in the table.
  rowsShown() {
    const rows = [];
    for (let row = 0; row < this.content.n; row++) if (this.visible[row]) rows.push(row);
    return rows;
  }

  // Those that can be listened through; all, if none can be heard.
  sequence() {
    const rows = this.listed();
    const heard = rows.filter((row) => this.content.heard(row));
    return heard.length ? heard : rows;
  }
}
