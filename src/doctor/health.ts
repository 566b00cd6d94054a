/** Result of one check. */
export interface Health {
  /** ok: works; without: optional and absent; wrong: must be fixed. */
  readonly state: 'ok' | 'without' | 'wrong';
  readonly message: string;
  readonly fix?: string;
}

/** A check of the machine. */
export interface HealthCheck {
  readonly name: string;
  look(): Promise<Health> | Health;
}
