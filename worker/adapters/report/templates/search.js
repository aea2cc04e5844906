const rows = [...document.querySelectorAll("#all tbody tr")];
const texts = rows.map((row) =>
  (row.textContent + " " + (row.querySelector("a")?.href ?? "")).toLowerCase());
const box = document.getElementById("find");
const found = document.getElementById("found");
document.getElementById("search").hidden = false;
box.addEventListener("input", () => {
  const wanted = box.value.trim().toLowerCase();
  let count = 0;
  rows.forEach((row, index) => {
    row.hidden = !texts[index].includes(wanted);
    count += !row.hidden;
  });
  found.textContent = wanted ? `${count} of ${rows.length}` : "";
});
