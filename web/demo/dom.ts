// The page's templates, and finding the parts of a clone. Text goes in as text nodes only; nothing here parses HTML.

/** Clones a `<template>` with one element in it. */
export function clone(templateId: string): HTMLElement {
  const template = document.getElementById(templateId);
  const content = template instanceof HTMLTemplateElement ? template.content.firstElementChild : undefined;
  if (!content) throw new Error(`the page has no template "${templateId}"`);
  return content.cloneNode(true) as HTMLElement;
}

/** The element marked `data-part="name"` inside another, checked to be of a type. */
export function part<Type extends Element>(root: Element, name: string, type: new () => Type): Type {
  const found = root.querySelector(`[data-part="${name}"]`);
  if (!(found instanceof type)) throw new Error(`the template has no part "${name}" of type ${type.name}`);
  return found;
}

/** Shows an element with a text, or hides it if there is none. */
export function showText(element: HTMLElement, text: string): void {
  element.textContent = text;
  element.hidden = text === "";
}

/** Fills the circle that stands for a person: an initial on a colour that belongs to their id. */
export function fillAvatar(element: HTMLElement, id: string, name: string): void {
  let hash = 0;
  for (const char of id) hash = (hash * 31 + char.codePointAt(0)!) % 3600;
  element.style.setProperty("--hue", String(hash / 10));
  element.textContent = [...name.trim()][0]?.toUpperCase() ?? "?";
}

/** Takes the file out of a file input, so that the same file can be chosen again. */
export function takeFile(input: HTMLInputElement): File | undefined {
  const file = input.files?.[0];
  input.value = "";
  return file;
}
