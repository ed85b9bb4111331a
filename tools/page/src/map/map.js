// The map of the clips: points below, what is named and chosen above, gestures and picking.
import { FAINT, GREY } from '../category.js';
import { el } from '../elements.js';
import { name, percent, span } from '../text.js';
import { Plain } from './canvas.js';
import { gestures } from './gestures.js';
import { paint } from './overlay.js';
import { webgl } from './webgl.js';

const FIT = 0.9; // of the shorter side
const REACH = 14; // pixels from a point that still mean it
const ZOOM = [0.5, 200];

export class ClipMap {
  constructor(element, store, theme) {
    Object.assign(this, { element, store, theme });
    this.content = store.content;
    this.zoom = 1;
    this.centre = [0, 0];
    this.hovered = -1;
    this.overlay = el('canvas', { class: 'overlay', 'aria-hidden': 'true' });
    this.tip = el('div', { class: 'tip', hidden: true });
    element.append(this.overlay, this.tip);
    const { n } = this.content;
    this.size = n < 600 ? 9 : n < 5000 ? 6 : n < 30000 ? 4 : 3;
    this.opacity = n < 5000 ? 0.9 : n < 30000 ? 0.75 : 0.6;
    this.shuffled = shuffled(n);
    store.on('filter', () => this.draw());
    store.on('colour', () => this.draw());
    store.on('clip', () => this._chosen());
    theme.onchange(() => this.draw());
  }

  // Returns 'webgl' or 'canvas' once points are drawn.
  async start() {
    const canvas = el('canvas', { class: 'points', 'aria-hidden': 'true' });
    this.element.prepend(canvas);
    this.points = webgl(canvas, this.theme) || new Plain(canvas);
    gestures(this.overlay, this);
    new ResizeObserver(() => this._resize()).observe(this.element);
    this._resize();
    await this.draw();
    return this.points.kind;
  }

  _resize() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!width || !height || (width === this.width && height === this.height)) return;
    const ratio = window.devicePixelRatio || 1;
    Object.assign(this, { width, height });
    this.overlay.width = width * ratio;
    this.overlay.height = height * ratio;
    this.overlay.getContext('2d').setTransform(ratio, 0, 0, ratio, 0, 0);
    this.points.resize(width, height);
    this.look();
  }

  get scale() {
    return (this.zoom * FIT * Math.min(this.width, this.height)) / 2;
  }

  screen(row) {
    const { xy } = this.content;
    return [
      this.width / 2 + (xy[2 * row] - this.centre[0]) * this.scale,
      this.height / 2 - (xy[2 * row + 1] - this.centre[1]) * this.scale,
    ];
  }

  look() {
    this.points.look({ centre: this.centre, scale: this.scale, width: this.width, height: this.height });
    this.repaint();
  }

  fit() {
    this.zoom = 1;
    this.centre = [0, 0];
    this.look();
  }

  pan(dx, dy) {
    this.centre = [this.centre[0] - dx / this.scale, this.centre[1] + dy / this.scale];
    this.look();
  }

  // Zoom so that what lies at x, y (pixels) stays there.
  zoomBy(factor, x = this.width / 2, y = this.height / 2) {
    const before = this.scale;
    this.zoom = Math.min(ZOOM[1], Math.max(ZOOM[0], this.zoom * factor));
    const share = 1 / before - 1 / this.scale;
    this.centre = [this.centre[0] + (x - this.width / 2) * share, this.centre[1] - (y - this.height / 2) * share];
    this.look();
  }

  // The faint points first, then the grey ones, the others in a random order.
  draw() {
    const { content, store, theme } = this;
    const colour = new Uint8Array(content.n);
    for (let row = 0; row < content.n; row++) colour[row] = store.visible[row] ? store.colouring.colourOf(row) : FAINT;
    const layers = [FAINT, GREY, -1].map((layer) =>
      this.shuffled.filter((row) => (layer < 0 ? colour[row] < GREY : colour[row] === layer)),
    );
    const order = Int32Array.from(layers.flatMap((layer) => [...layer]));
    this.middles = null;
    this.repaint();
    return this.points.draw({
      x: Float32Array.from(order, (row) => content.xy[2 * row]),
      y: Float32Array.from(order, (row) => content.xy[2 * row + 1]),
      colour: Float32Array.from(order, (row) => colour[row]),
      palette: theme.palette,
      surface: theme.surface,
      size: this.size,
      opacity: this.opacity,
    });
  }

  repaint() {
    this.waiting ||= requestAnimationFrame(() => {
      this.waiting = 0;
      if (this.width) paint(this);
    });
  }

  // The nearest visible clip within reach, or -1.
  pick(x, y, reach = REACH) {
    const { xy, n } = this.content;
    let found = -1;
    let least = (reach / this.scale) ** 2;
    const at = [
      this.centre[0] + (x - this.width / 2) / this.scale,
      this.centre[1] - (y - this.height / 2) / this.scale,
    ];
    for (let row = 0; row < n; row++) {
      if (!this.store.visible[row]) continue;
      const distance = (xy[2 * row] - at[0]) ** 2 + (xy[2 * row + 1] - at[1]) ** 2;
      if (distance < least) [found, least] = [row, distance];
    }
    return found;
  }

  hover(x, y) {
    const row = x === null ? -1 : this.pick(x, y);
    if (row !== this.hovered) {
      this.hovered = row;
      this.overlay.style.cursor = row < 0 ? '' : 'pointer';
      this._tell(row);
      this.repaint();
    }
  }

  click(x, y, reach) {
    const row = this.pick(x, y, reach);
    if (row >= 0) this.store.emit('play', row);
  }

  _tell(row) {
    this.tip.hidden = row < 0;
    if (row < 0) return;
    const { content, store } = this;
    const sure = content.sure(row);
    this.tip.replaceChildren(
      el('strong', {}, name(content.file(row))),
      el('span', {}, span(content.start[row], content.end[row])),
      el('span', {}, name(content.clusterOf.nameOf(row)), sure === null ? '' : `, confidence ${percent(sure)}`),
      store.colouring === content.clusterOf
        ? ''
        : el('span', {}, `${store.colouring.title}: `, name(store.colouring.nameOf(row))),
      content.heard(row) ? '' : el('span', { class: 'muted' }, 'no sound in the page'),
    );
    const [x, y] = this.screen(row);
    const [width, height] = [this.tip.offsetWidth, this.tip.offsetHeight];
    this.tip.style.left = `${Math.max(4, Math.min(x + 12, this.width - width - 4))}px`;
    this.tip.style.top = `${y + 14 + height > this.height ? Math.max(4, y - height - 12) : y + 14}px`;
  }

  // A clip that is out of sight comes to the middle.
  _chosen() {
    const row = this.store.clip;
    if (row >= 0) {
      const [x, y] = this.screen(row);
      if (x < 0 || y < 0 || x > this.width || y > this.height) {
        this.centre = [this.content.xy[2 * row], this.content.xy[2 * row + 1]];
        this.look();
      }
    }
    this.repaint();
  }
}

// 0 .. n - 1 in an order that is random and always the same.
function shuffled(n) {
  const order = Int32Array.from({ length: n }, (_, i) => i);
  let state = 1;
  for (let i = n - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = Math.floor((state / 2 ** 32) * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
