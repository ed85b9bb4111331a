// Points on a plain canvas, where there is no WebGL.

export class Plain {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext('2d');
    this.kind = 'canvas';
  }

  resize(width, height) {
    this.ratio = window.devicePixelRatio || 1;
    this.canvas.width = width * this.ratio;
    this.canvas.height = height * this.ratio;
    Object.assign(this, { width, height });
  }

  async draw(points) {
    this.points = points;
    this._paint();
  }

  look(view) {
    this.view = view;
    if (this.points && !this.waiting) {
      this.waiting = requestAnimationFrame(() => {
        this.waiting = 0;
        this._paint();
      });
    }
  }

  _paint() {
    const { context, points, view, width, height } = this;
    if (!view) return;
    const { x, y, colour, palette, surface, size, opacity } = points;
    const { centre, scale } = view;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.globalAlpha = 1;
    context.fillStyle = surface;
    context.fillRect(0, 0, width, height);
    context.globalAlpha = opacity;
    let last = -1;
    for (let i = 0; i < x.length; i++) {
      const left = width / 2 + (x[i] - centre[0]) * scale - size / 2;
      const top = height / 2 - (y[i] - centre[1]) * scale - size / 2;
      if (left < -size || top < -size || left > width || top > height) continue;
      if (colour[i] !== last) context.fillStyle = palette[(last = colour[i])];
      if (size < 5) {
        context.fillRect(left, top, size, size);
      } else {
        context.beginPath();
        context.arc(left + size / 2, top + size / 2, size / 2, 0, 7);
        context.fill();
      }
    }
  }
}
