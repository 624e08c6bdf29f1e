import { readFileSync } from 'node:fs';
import ts from 'typescript';

/**
 * Tells what of a decoded answer is not as the declarations of the official client promise: what is required and missing,
 * what is of another type, and words that are not among those declared. The client itself checks none of it.
 */
export class Judge {
  /** Declared interfaces, by their full names such as "MeetingCreateResponse.Data". */
  #interfaces = new Map();
  /** The declared type of what a method resolves to, by "resource.method". */
  #results = new Map();

  /** @param {string[]} resources names of files such as "meetings" */
  constructor(resources) {
    for (const resource of resources) {
      const file = new URL(`node_modules/cloudflare/resources/realtime-kit/${resource}.d.ts`, import.meta.url);
      this.#read(resource, ts.createSourceFile(resource, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true));
    }
  }

  /** All methods that are declared, as "resource.method". */
  get methods() {
    return [...this.#results.keys()];
  }

  /** @returns {string[]} what is wrong with the answer of a method */
  complaints(method, answer) {
    const found = [];
    const { type, scope } = this.#results.get(method);
    this.#look(type, scope, answer, 'answer', found);
    return found;
  }

  #read(resource, source) {
    const into = (statements, scope) => {
      for (const node of statements) {
        if (ts.isInterfaceDeclaration(node)) this.#interfaces.set([...scope, node.name.text].join('.'), { node, scope });
        if (ts.isModuleDeclaration(node)) into(node.body.statements, [...scope, node.name.text]);
        if (ts.isClassDeclaration(node)) {
          for (const member of node.members.filter(ts.isMethodDeclaration)) {
            this.#results.set(`${resource}.${member.name.text}`, { type: member.type.typeArguments[0], scope });
          }
        }
      }
    };
    into(source.statements, []);
  }

  /** Finds an interface by a name as it is written within a scope. */
  #find(name, scope) {
    for (let depth = scope.length; depth >= 0; depth--) {
      const full = [...scope.slice(0, depth), name].join('.');
      if (this.#interfaces.has(full)) return { full, ...this.#interfaces.get(full) };
    }
    throw new Error(`the declarations have no ${name} in ${scope.join('.')}`);
  }

  #look(type, scope, value, at, found) {
    if (!this.#fits(type, scope, value, at, found)) found.push(`${at} is ${JSON.stringify(value)}, which is no ${type.getText()}`);
  }

  #fits(type, scope, value, at, found) {
    const { SyntaxKind } = ts;
    if (ts.isUnionTypeNode(type)) return type.types.some((one) => this.#fits(one, scope, value, at, []));
    if (ts.isLiteralTypeNode(type)) return type.literal.kind === SyntaxKind.NullKeyword ? value === null : value === type.literal.text;
    if (ts.isTypeReferenceNode(type)) return this.#fitsReference(type, scope, value, at, found);
    if (ts.isTypeLiteralNode(type)) return typeof value === 'object' && value !== null;
    switch (type.kind) {
      case SyntaxKind.StringKeyword: return typeof value === 'string';
      case SyntaxKind.NumberKeyword: return typeof value === 'number';
      case SyntaxKind.BooleanKeyword: return typeof value === 'boolean';
      case SyntaxKind.UnknownKeyword: return true;
      default: throw new Error(`${at}: a type that is not known here: ${type.getText()}`);
    }
  }

  #fitsReference(type, scope, value, at, found) {
    const name = type.typeName.getText();
    if (name === 'Array') {
      if (!Array.isArray(value)) return false;
      value.forEach((one, i) => this.#look(type.typeArguments[0], scope, one, `${at}[${i}]`, found));
      return true;
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    const { full, node } = this.#find(name, scope);
    for (const member of node.members.filter(ts.isPropertySignature)) {
      const key = member.name.text;
      if (value[key] !== undefined) this.#look(member.type, full.split('.'), value[key], `${at}.${key}`, found);
      else if (!member.questionToken) found.push(`${at}.${key} is missing`);
    }
    return true;
  }
}
