/**
 * A rule of an optimizer in WGSL. `own` is where its own constants lie, in the order of its part's `constants`; `g` is
 * the gradient with
 * penalties; `s0` and `s1` are the slots per weight, 0 where there is none.
 */
export type Rule =
  /**
   * Looks at one weight alone. The body of moved(w, g, s0, s1, own): the weight and its slots afterward, as a vec3.
   */
  | { readonly unit: 'weight'; readonly moved: string }
  /** Looks at all of a row, and of a dense tensor if it is a rule by tensors. */
  | {
      readonly unit: 'row' | 'tensor';
      /**
       * The body of gathered(w, g, s0, s1, own): the slots afterward, and two numbers that are summed up, as a vec4.
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
