import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));

/** The parley binary under test: the one that PARLEY_BIN names, or one built from this tree for the occasion. */
export class Binary {
  #directory;

  /** @type {string} where it is */
  path;

  static async find() {
    const binary = new Binary();
    if (process.env.PARLEY_BIN) {
      binary.path = path.resolve(process.env.PARLEY_BIN);
      return binary;
    }
    binary.#directory = await mkdtemp(path.join(tmpdir(), 'parley-e2e-bin-'));
    binary.path = path.join(binary.#directory, 'parley');
    try {
      await promisify(execFile)('go', ['build', '-o', binary.path, './cmd/parley'], { cwd: REPOSITORY });
    } catch (error) {
      await binary.remove();
      throw error;
    }
    return binary;
  }

  /** Removes it, if it was built. */
  async remove() {
    if (this.#directory) await rm(this.#directory, { recursive: true, force: true });
  }
}
