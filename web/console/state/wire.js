/**
 * The frames that the console reads, told apart by `t`. Types only: nothing here runs.
 *
 * @typedef {import("../../shared/wire.js").Head} Head
 * @typedef {import("../../shared/wire.js").Ev} Ev
 * @typedef {import("../../shared/wire.js").LaneName} LaneName
 * @typedef {import("../../shared/wire.js").Me} Me
 * @typedef {import("../../shared/wire.js").Offer} Offer
 * @typedef {import("../../shared/wire.js").Visitor} Visitor
 * @typedef {import("../../shared/wire.js").AgentSnapshot} Snapshot
 * @typedef {import("../../shared/wire.js").AgentRef} Named
 *
 * @typedef {{t: "head", head: Head}} HeadFrame
 * @typedef {{t: "me", me: Me}} MeFrame
 * @typedef {Offer & {t: "offer", head: Head}} OfferFrame
 * @typedef {{t: "offer.gone", c: string, gen: number, reason: string}} OfferGone
 * @typedef {{t: "gap", c: string, lane: LaneName, have: number, head: number}} Gap
 * @typedef {{t: "eph", c: string, kind: string, from?: {kind: string, id?: string, name?: string|null}, data: Record<string, any>}} Ephemeral
 * @typedef {Snapshot|HeadFrame|MeFrame|OfferFrame|OfferGone|Gap|Ephemeral|Ev} Frame
 */

export {};
