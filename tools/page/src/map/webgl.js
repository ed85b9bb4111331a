// Points by WebGL, with regl-scatterplot. It only draws: gestures and picking are the map's own.
import createScatterplot from 'regl-scatterplot';

export function webgl(canvas, theme) {
  const test = document.createElement('canvas').getContext('webgl');
  if (!test) return null;
  test.getExtension('WEBGL_lose_context')?.loseContext();
  const plot = createScatterplot({
    canvas,
    cameraIsFixed: true,
    mouseMode: 'panZoom',
    actionKeyMap: {},
    lassoOnLongPress: false,
    showReticle: false,
    spatialIndexUseWorker: false,
    pointScaleMode: 'constant',
    pointOutlineWidth: 0,
    colorBy: 'valueA',
    backgroundColor: theme.surface,
  });
  return new WebGL(plot);
}

class WebGL {
  constructor(plot) {
    this.plot = plot;
    this.kind = 'webgl';
  }

  resize(width, height) {
    this.plot.set({ width, height });
  }

  // x, y: between -1 and 1; colour: a place in the palette. One drawing at a time; of those that wait the last counts.
  async draw(points) {
    this.next = points;
    this.drawing ||= this._drawAll().finally(() => (this.drawing = null));
    return this.drawing;
  }

  async _drawAll() {
    while (this.next) {
      const { x, y, colour, palette, surface, size, opacity } = this.next;
      this.next = null;
      this.plot.set({ pointColor: palette, backgroundColor: surface, pointSize: size, opacity });
      await this.plot.draw({ x, y, valueA: colour }, { zDataType: 'categorical' });
    }
  }

  // screen = middle + (point - centre) * scale, in pixels.
  look({ centre, scale, height }) {
    const s = scale / (height / 2);
    this.plot.view([s, 0, 0, 0, 0, s, 0, 0, 0, 0, 1, 0, -centre[0] * s, -centre[1] * s, 0, 1], { preventEvent: true });
  }
}
