/** What Deskbell uses of preact, @preact/signals and htm. */
export interface VNode {
  type: unknown;
  props: Record<string, unknown>;
  key: unknown;
}
export type Child = VNode | string | number | bigint | boolean | null | undefined | ReadonlySignal<any> | Child[];
export type FunctionComponent<P = any> = (props: P) => Child;

export function h(type: any, props?: any, ...children: Child[]): VNode;
export function html(strings: TemplateStringsArray, ...values: any[]): VNode;
export function render(vnode: Child, parent: ParentNode): void;
export const Fragment: FunctionComponent;
export class Component<P = any, S = any> {
  constructor(props?: P);
  props: P;
  state: S;
  setState(next: Partial<S>): void;
  render(props: P, state: S): Child;
  componentDidCatch?(error: unknown): void;
}
export interface Context<T> {
  Provider: FunctionComponent<{ value: T; children?: Child }>;
}
export function createContext<T>(initial: T): Context<T>;
export interface Ref<T> {
  current: T;
}
export function createRef<T>(): Ref<T | null>;
export function cloneElement(vnode: VNode, props?: any, ...children: Child[]): VNode;

export function useState<S>(initial: S | (() => S)): [S, (next: S | ((before: S) => S)) => void];
export function useReducer<S, A>(reducer: (state: S, action: A) => S, initial: S): [S, (action: A) => void];
export function useEffect(run: () => void | (() => void), inputs?: readonly unknown[]): void;
export function useLayoutEffect(run: () => void | (() => void), inputs?: readonly unknown[]): void;
export function useRef<T>(initial: T): Ref<T>;
export function useRef<T>(initial: null): Ref<T | null>;
export function useMemo<T>(make: () => T, inputs: readonly unknown[]): T;
export function useCallback<T extends (...args: any[]) => any>(callback: T, inputs: readonly unknown[]): T;
export function useContext<T>(context: Context<T>): T;
export function useId(): string;

export interface ReadonlySignal<T> {
  readonly value: T;
  peek(): T;
  subscribe(listener: (value: T) => void): () => void;
}
export class Signal<T = any> implements ReadonlySignal<T> {
  constructor(value: T);
  value: T;
  peek(): T;
  subscribe(listener: (value: T) => void): () => void;
}
export function signal<T>(value: T): Signal<T>;
export function computed<T>(compute: () => T): ReadonlySignal<T>;
export function effect(run: () => void | (() => void)): () => void;
export function batch<T>(run: () => T): T;
export function untracked<T>(run: () => T): T;
export function useSignal<T>(value: T): Signal<T>;
export function useComputed<T>(compute: () => T): ReadonlySignal<T>;
export function useSignalEffect(run: () => void | (() => void)): void;
