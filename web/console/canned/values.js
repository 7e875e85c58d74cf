/** What the variables of canned replies stand for in one conversation. */

/**
 * @param {import("../state/wire.js").Head} head
 * @param {string} agent the agent's own name
 * @returns {Record<string, string|null>}
 */
export function valuesFor(head, agent) {
  return {
    "visitor.name": head.visitor.name,
    "agent.name": agent,
    "site.name": head.site.name,
    "conversation.id": head.c,
  };
}
