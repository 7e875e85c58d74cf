/** What visitors are called when they haven't said. */

/** @param {{id: string, name: string|null}} visitor a name, or "Visitor 7f3a" from the end of the id */
export function visitorName(visitor) {
  return visitor.name?.trim() || `Visitor ${visitor.id.replaceAll("-", "").slice(-4)}`;
}
