import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * Lets somebody attack a server who speaks its protocol directly: see test/hostile. Ends when all attacks have been made,
 * and fails when the server let one pass.
 *
 * @param {object} order see test/hostile/cmd
 * @returns {Promise<string>} a line for each attack
 */
export function attack(order) {
  return new Promise((resolve, reject) => {
    const child = spawn('go', ['run', './test/hostile/cmd'], { cwd: REPOSITORY, stdio: ['pipe', 'pipe', 'pipe'] });
    let said = '';
    child.stdout.on('data', (text) => (said += text));
    child.stderr.on('data', (text) => (said += text));
    child.once('error', reject);
    child.once('close', (status) => (status === 0 ? resolve(said) : reject(new Error(`the attack ended with ${status}\n${said}`))));
    child.stdin.end(JSON.stringify(order));
  });
}
