// Draws the charts of an interactive report in the colours of the page, again when those change.
function draw() {
  const charts = JSON.parse(document.getElementById("charts").textContent);
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
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
