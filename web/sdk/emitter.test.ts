import assert from "node:assert/strict";
import { test } from "node:test";
import { Emitter } from "./emitter.js";

class Bell extends Emitter<{ ring: number }> {
  ring(times: number): void {
    this.emit("ring", times);
  }
}

test("listeners hear in the order they were added, until they are removed", () => {
  const bell = new Bell();
  const heard: string[] = [];
  const first = (times: number): void => void heard.push(`first ${times}`);
  bell.on("ring", first);
  const removeSecond = bell.on("ring", (times) => heard.push(`second ${times}`));

  bell.ring(1);
  bell.off("ring", first);
  bell.ring(2);
  removeSecond();
  bell.ring(3);

  assert.deepEqual(heard, ["first 1", "second 1", "second 2"]);
});

test("a listener that removes itself does not make another one miss the event", () => {
  const bell = new Bell();
  let heard = 0;
  const remove = bell.on("ring", () => remove());
  bell.on("ring", () => heard++);

  bell.ring(1);

  assert.equal(heard, 1);
});

test("a listener that throws stops nobody, and its error is not swallowed", (t) => {
  const reported: unknown[] = [];
  globalThis.reportError = (error) => reported.push(error); // as in browsers; Node has none
  t.after(() => Reflect.deleteProperty(globalThis, "reportError"));
  const bell = new Bell();
  const broken = new Error("broken listener");
  let heard = 0;
  bell.on("ring", () => {
    throw broken;
  });
  bell.on("ring", () => heard++);

  bell.ring(1);

  assert.equal(heard, 1);
  assert.deepEqual(reported, [broken]);
});
