// Draws the charts of an interactive report in the colours of the page, again when those change.
const DARK = matchMedia("(prefers-color-scheme: dark)");

function read() {
  let text = document.getElementById("charts").textContent;
  const shades = DARK.matches ? JSON.parse(text).shades : {};
  for (const [light, dark] of Object.entries(shades)) text = text.replaceAll(light, dark);
  return JSON.parse(text).charts;
}

function draw() {
  const charts = read();
  const style = getComputedStyle(document.body);
  charts.forEach((chart, at) => {
    const layout = {
      ...chart.layout,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: style.fontFamily, size: 13, color: style.color },
    };
    for (const name of Object.keys(layout).filter((key) => /^[xy]axis/.test(key))) {
      layout[name] = { gridcolor: "#8886", linecolor: "#8886", zeroline: false, ...layout[name] };
    }
    Plotly.react(`chart-${at}`, chart.data, layout, { displaylogo: false, responsive: true });
  });
}

draw();
DARK.addEventListener("change", draw);
