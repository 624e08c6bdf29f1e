// On a narrow screen one pane at a time, chosen by tabs; on a wide one all panes side by side.
import type { Pane } from "./pane.js";

const narrow = "(max-width: 699px)";

/** Sets up the tabs in `list`; with fewer than two panes there are none. */
export function setUpTabs(list: HTMLElement, panes: readonly Pane[]): void {
  if (panes.length < 2) return;
  const tabs = panes.map((pane) => tabOf(pane));
  const query = matchMedia(narrow);
  let chosen = 0;

  const show = (): void => {
    list.hidden = !query.matches;
    panes.forEach(({ element }, index) => {
      element.hidden = query.matches && index !== chosen;
      if (query.matches) element.setAttribute("role", "tabpanel");
      else element.removeAttribute("role");
    });
    tabs.forEach((tab, index) => {
      tab.ariaSelected = String(index === chosen);
      tab.tabIndex = index === chosen ? 0 : -1;
    });
    if (query.matches) delete tabs[chosen]!.dataset["news"];
  };
  const choose = (index: number): void => {
    chosen = (index + tabs.length) % tabs.length;
    show();
  };

  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => choose(index));
    tab.addEventListener("keydown", ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (step === undefined) return;
      choose(index + step);
      tabs[chosen]!.focus();
    });
    panes[index]!.onNews = () => {
      if (query.matches && index !== chosen) tab.dataset["news"] = "";
    };
  });
  query.addEventListener("change", show);
  list.append(...tabs);
  show();
}

function tabOf({ name, index }: Pane): HTMLButtonElement {
  const tab = document.createElement("button");
  tab.type = "button";
  tab.role = "tab";
  tab.dataset["testid"] = `tab-${index}`;
  tab.setAttribute("aria-controls", `pane-${index}`);
  tab.textContent = name;
  return tab;
}
