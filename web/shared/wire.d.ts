/** The frames of docs/protocol.md as the browser sees them. Types only: nothing of this is loaded. */
export type LaneName = "public" | "internal";
export type Person = { kind: "visitor" | "agent" | "system"; id?: string | null; name?: string | null };
export type AgentRef = { id: string; name: string };

export type Ev = {
  t: "ev";
  c: string;
  lane: LaneName;
  s: number;
  kind: string;
  m?: string | null;
  from?: Person | null;
  at: number;
  data: any;
};

export type VisitorConversation = {
  c: string;
  gen: number;
  state: "waiting" | "active" | "closed";
  episode: number;
  agent: AgentRef | null;
  public: number;
  read: { visitor: number; agent: number };
  position: number | null;
  /** Seconds between which the rest of the wait lies, four times out of five; told with the place. */
  wait?: [number, number] | null;
  /** They have waited so long that they may rather leave a message. */
  choice?: boolean;
  /** Not on the wire: who was asked to go on, while they are passed to one agent. */
  to?: string;
  can_rate: boolean;
  score: number | null;
  left_message: boolean;
};

export type Head = {
  c: string;
  gen: number;
  state: "waiting" | "offered" | "active" | "closed";
  site: { id: string; name: string };
  team: { id: string; name: string };
  /** What its agent must be able to do; a head from before this was known has none. */
  skills?: string[];
  visitor: { id: string; name: string | null; email: string | null; verified: boolean };
  online: boolean;
  agent: AgentRef | null;
  episode: number;
  queued_at: number;
  assigned_at: number | null;
  closed_at: number | null;
  left_message: boolean;
  public: number;
  internal: number;
  read: { visitor: number; agent: number };
  preview: { text: string; from: "visitor" | "agent"; at: number } | null;
  page: { url: string; title: string | null } | null;
  /** Who passed it on, until somebody has it; a head from before this was told has none. */
  passed?: { by: AgentRef; at: number; note: string | null } | null;
};

export type Visitor = { id: string; name: string | null; email: string | null; verified: boolean };

export type VisitorSnapshot = {
  t: "snapshot";
  role: "visitor";
  now: number;
  visitor: Visitor;
  available: boolean;
  opens_at: number | null;
  /** Not available only because as many wait as may. */
  full?: boolean;
  conversation: VisitorConversation | null;
};

export type Me = {
  id: string;
  name: string;
  role: "agent" | "supervisor" | "admin" | "owner";
  accept: boolean;
  load: number;
  capacity: number;
  note: null | "unresponsive" | "missed";
};

export type Offer = { c: string; gen: number; mode: "direct" | "offer"; ttl_ms: number; head?: Head };

export type AgentSnapshot = {
  t: "snapshot";
  role: "agent";
  now: number;
  me: Me;
  teams: { id: string; name: string }[];
  heads: Head[];
  offers: Offer[];
};

/** Somebody of the team when a chat was given to one of them: with a score, or what ruled them out. */
export type Candidate = {
  id: string;
  name: string;
  load: number;
  capacity: number;
  score?: number;
  out?: "offline" | "away" | "skills" | "declined" | "reserved" | "full" | "share";
};

/** Why this agent? */
export type Why = {
  strategy: "least_busy" | "round_robin" | "longest_idle" | "manual";
  skills: string[];
  reserved: boolean;
  waited_ms: number;
  took_ms: number;
  agents: Candidate[];
  others: { [out: string]: number };
};

/** Any frame; narrow it by `t`. */
export type Frame = { t: string; [field: string]: any };
export type Positions = { [c: string]: { public?: number; internal?: number } };
