// The loss of an optimisation over its steps, on a logarithmic scale.
window.sfumato.curve = (canvas, losses) => {
  "use strict";
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d");
  const ink = getComputedStyle(canvas);
  pen.scale(ratio, ratio);
  const points = losses.filter(([, loss]) => loss > 0).map(([step, loss]) => [step, Math.log10(loss)]);
  if (points.length < 2) return;
  const steps = points.map(([step]) => step), logs = points.map(([, log]) => log);
  const [first, last] = [steps[0], steps[steps.length - 1]];
  const low = Math.min(...logs), high = Math.max(...logs);
  const left = 52, right = 10, top = 12, bottom = 20;
  const x = (step) => left + ((width - left - right) * (step - first)) / Math.max(1, last - first);
  const y = (log) => top + ((height - top - bottom) * (high - log)) / Math.max(1e-6, high - low);
  pen.font = `12px ${ink.fontFamily}`;
  pen.fillStyle = ink.color;
  pen.strokeStyle = ink.borderColor;
  pen.textAlign = "right";
  for (const log of [high, low]) {
    pen.beginPath();
    pen.moveTo(left, y(log));
    pen.lineTo(width - right, y(log));
    pen.stroke();
    pen.fillText((10 ** log).toPrecision(2), left - 6, y(log) + 4);
  }
  pen.fillText(`step ${last}`, width - right, height - 5);
  pen.textAlign = "left";
  pen.fillText("loss", left, height - 5);
  pen.strokeStyle = ink.getPropertyValue("--color-accent") || ink.color;
  pen.lineWidth = 2;
  pen.lineJoin = "round";
  pen.beginPath();
  points.forEach(([step, log], i) => pen[i ? "lineTo" : "moveTo"](x(step), y(log)));
  pen.stroke();
  canvas.setAttribute("aria-label",
    `Loss curve: ${(10 ** logs[logs.length - 1]).toPrecision(3)} at step ${last}`);
};
