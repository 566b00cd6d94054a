/** Receives a text about the kernels of this process that a person can act on. */
export type KernelListener = (text: string) => void;

let listener: KernelListener | undefined;

/** Sets the receiver for this process; without one, as in the library, only the engine's description has the reason. */
export function listenToKernels(receive: KernelListener | undefined): void {
  listener = receive;
}

/** Passes a text to the receiver, if there is one. */
export function reportKernels(text: string): void {
  listener?.(text);
}
