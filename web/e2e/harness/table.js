import { readFile } from 'node:fs/promises';

/**
 * Reads the tables of docs/compatibility.md: what each call does in each version.
 *
 * @returns {Promise<{versions: string[], rows: Map<string, Map<string, string>>}>} outcomes by call, then by version
 */
export async function readTable(file) {
  const rows = new Map();
  let versions = [];
  for (const line of (await readFile(file, 'utf8')).split('\n')) {
    if (!line.startsWith('|')) continue;
    const [call, ...cells] = line.split('|').slice(1, -1).map((cell) => cell.trim());
    if (call === 'call') {
      if (versions.length > 0 && versions.join() !== cells.join()) throw new Error(`${file}: tables of different versions`);
      versions = cells;
    } else if (!/^[\s:-]*$/.test(call)) {
      const name = call.replaceAll('`', '');
      if (rows.has(name)) throw new Error(`${file}: ${name} twice`);
      if (cells.length !== versions.length) throw new Error(`${file}: ${name} has ${cells.length} cells for ${versions.length} versions`);
      rows.set(name, new Map(versions.map((version, index) => [version, cells[index]])));
    }
  }
  return { versions, rows };
}
