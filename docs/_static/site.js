// What the theme does too late, or not at all.

// On a first visit it would show the light colours until all its scripts are there.
const { dataset } = document.documentElement;
if (!["light", "dark"].includes(dataset.theme)) {
  dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

// Its arrows that open a part of the menu have no name for who cannot see them.
document.addEventListener("DOMContentLoaded", () => {
  for (const arrow of document.querySelectorAll("summary:has(> .toctree-toggle)")) {
    const part = arrow.closest("li").querySelector("a").textContent.trim();
    arrow.setAttribute("aria-label", `Pages below ${part}`);
  }

  // A figure opens alone, and finer, to be enlarged on a small screen.
  for (const figure of document.querySelectorAll(".bd-article img.sphx-glr-single-img")) {
    const link = document.createElement("a");
    link.href = figure.src.replace(/\.png$/, "_2_00x.png");
    figure.replaceWith(link);
    link.append(figure);
  }
});
