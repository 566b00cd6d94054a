/**
 * A rule of an optimizer in WGSL. `own` is the address of its own constants, in the order of its part's `constants`.
 * `g` is the gradient with penalties; `s0` and `s1` are the slots per weight, 0 if there is none.
 */
export type Rule =
  /** A rule of one weight. The body of moved(w, g, s0, s1, own): the weight and its slots afterward, as a vec3. */
  | { readonly unit: 'weight'; readonly moved: string }
  /** A rule of all weights of a row, or of a dense tensor. */
  | {
      readonly unit: 'row' | 'tensor';
      /**
       * The body of gathered(w, g, s0, s1, own): the slots afterward, and two values that are summed, as a vec4.
       */
      readonly gathered: string;
      /**
       * The body of decided(sums, kept, count, own): the size of the step, and the slot per row afterward, as a vec2.
       */
      readonly decided: string;
      /** The body of moved(w, g, s0, s1, size, own): the weight afterward. */
      readonly moved: string;
      /** Functions of its own. */
      readonly declares?: string;
    };
