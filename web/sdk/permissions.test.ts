import assert from "node:assert/strict";
import { test } from "node:test";
import { patchPermissions, readPermissions } from "./permissions.js";

const preset = {
  permissions: {
    chat: {
      public: { can_send: true, text: true, files: false },
      private: { can_send: true, can_receive: true, text: true, files: true },
    },
  },
};

test("permissions are read from the preset", () => {
  assert.deepEqual(readPermissions(preset), {
    public: { canSend: true, text: true, files: false },
    private: { canSend: true, canReceive: true, text: true, files: true },
  });
});

test("what a preset does not say is not allowed", () => {
  for (const broken of [undefined, null, {}, { permissions: { chat: { public: { can_send: "yes" } } } }]) {
    const permissions = readPermissions(broken);
    assert.ok(!permissions.public.canSend);
    assert.ok(!permissions.private.canReceive);
  }
});

test("a live change touches only what it names", () => {
  const after = patchPermissions(readPermissions(preset), { public: { canSend: false } });
  assert.deepEqual(after.public, { canSend: false, text: true, files: false });
  assert.ok(after.private.canSend);
});
