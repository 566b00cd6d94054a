/** What was found of one thing that mtl can use. */
export interface Health {
  /** It works, it is not there but not needed, or it must be put right. */
  readonly state: 'ok' | 'without' | 'wrong';
  readonly message: string;
  /** What to do. */
  readonly fix?: string;
}

/** One thing that is looked at. */
export interface HealthCheck {
  readonly name: string;
  look(): Promise<Health> | Health;
}
