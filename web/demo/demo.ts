// The demo page: two participants of one meeting side by side, each with a client of their own.
import { Pane } from "./pane.js";
import { chosenParticipants, loadSession } from "./session.js";
import { setUpTabs } from "./tabs.js";
import { explain } from "./words.js";

async function start(): Promise<void> {
  const { meeting, participants } = await loadSession();
  find('[data-testid="meeting-title"]').textContent = meeting.title;
  document.title = `${meeting.title} – Parley demo`;

  const panes = chosenParticipants(location, participants.length).map((index) => new Pane(index, participants[index]!));
  const main = find("main");
  main.replaceChildren(...panes.map(({ element }) => element));
  main.classList.toggle("solo", panes.length === 1);
  setUpTabs(find(".tabs"), panes);
  // A page kept in the back-forward cache would come back with dead sockets.
  addEventListener("pagehide", () => panes.forEach((pane) => pane.leave()));
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) location.reload();
  });
  await Promise.all(panes.map((pane) => pane.join()));
}

function find(selector: string): HTMLElement {
  return document.querySelector<HTMLElement>(selector)!;
}

start().catch((error: unknown) => {
  const banner = find('[data-testid="page-error"]');
  banner.textContent = explain(error);
  banner.hidden = false;
});
