// Drag to move, wheel or two fingers to zoom, click or tap to choose.

const STILL = 5; // pixels that a click may move
const FINGER = 26; // pixels that a finger may miss by

export function gestures(canvas, map) {
  const pointers = new Map();
  let moved = 0;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    if (!pointers.size) moved = 0;
    pointers.set(event.pointerId, place(event));
  });
  canvas.addEventListener('pointermove', (event) => {
    const now = place(event);
    const last = pointers.get(event.pointerId);
    if (!last) return event.pointerType === 'mouse' && map.hover(...now);
    const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    moved += Math.hypot(now[0] - last[0], now[1] - last[1]);
    if (others.length) pinch(map, last, now, others[0]);
    else if (moved > STILL) map.pan(now[0] - last[0], now[1] - last[1]);
    pointers.set(event.pointerId, now);
  });
  canvas.addEventListener('pointerup', (event) => {
    const at = pointers.get(event.pointerId);
    pointers.delete(event.pointerId);
    if (at && moved <= STILL) map.click(...at, event.pointerType === 'touch' ? FINGER : undefined);
  });
  canvas.addEventListener('pointercancel', (event) => pointers.delete(event.pointerId));
  canvas.addEventListener('pointerleave', () => map.hover(null));
  canvas.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault();
      map.hover(null);
      map.zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...place(event));
    },
    { passive: false },
  );
}

function pinch(map, last, now, other) {
  const apart = (at) => Math.max(1, Math.hypot(at[0] - other[0], at[1] - other[1]));
  map.zoomBy(apart(now) / apart(last), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  map.pan((now[0] - last[0]) / 2, (now[1] - last[1]) / 2);
}
