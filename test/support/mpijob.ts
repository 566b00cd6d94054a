import { z } from 'zod';

// Schema of an MPIJob: facts of the definition in kubeflow/mpi-operator, manifests/base/kubeflow.org_mpijobs.yaml, and
// of its controller's validation (pkg/apis/kubeflow/validation), at commit caa3c47 of July 2026. Kubernetes silently
// drops unknown keys, so they are rejected here. Pod specs follow Kubernetes' own schema.

const whole = z.int32();
const counted = whole.nonnegative();
const template = z.strictObject({
  metadata: z.record(z.string(), z.unknown()).optional(),
  spec: z.looseObject({ containers: z.array(z.unknown()).min(1) }),
});
const replicas = z.strictObject({
  replicas: whole.positive(),
  restartPolicy: z.enum(['Never', 'OnFailure']).optional(),
  template,
});
const quantity = z.union([
  whole,
  z.string().regex(/^[+-]?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?(\d+(\.\d*)?|\.\d+))?$/),
]);

/** An MPIJob of kubeflow.org/v2beta1. */
export const mpiJob = z
  .strictObject({
    apiVersion: z.literal('kubeflow.org/v2beta1'),
    kind: z.literal('MPIJob'),
    metadata: z.looseObject({ name: z.string() }),
    spec: z.strictObject({
      launcherCreationPolicy: z.enum(['AtStartup', 'WaitForWorkersReady']).optional(),
      mpiImplementation: z.enum(['OpenMPI', 'Intel', 'MPICH']).optional(),
      mpiReplicaSpecs: z.strictObject({
        Launcher: replicas.extend({ replicas: z.literal(1) }),
        Worker: replicas.optional(),
      }),
      runLauncherAsWorker: z.boolean().optional(),
      runPolicy: z
        .strictObject({
          activeDeadlineSeconds: z.int().nonnegative(),
          backoffLimit: counted,
          cleanPodPolicy: z.enum(['None', 'Running', 'All']),
          managedBy: z.enum(['kubeflow.org/mpi-operator', 'kueue.x-k8s.io/multikueue']),
          schedulingPolicy: z
            .strictObject({
              minAvailable: whole,
              minResources: z.record(z.string(), quantity),
              priorityClass: z.string(),
              queue: z.string(),
              scheduleTimeoutSeconds: whole,
            })
            .partial(),
          suspend: z.boolean(),
          ttlSecondsAfterFinished: counted,
        })
        .partial()
        .optional(),
      slotsPerWorker: counted.optional(),
      sshAuthMountPath: z.string().min(1).optional(),
    }),
  })
  // Its last worker's name is a DNS label (RFC 1035).
  .refine(
    ({
      metadata: { name },
      spec: {
        mpiReplicaSpecs: { Worker },
      },
    }) => /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(`${name}-worker-${(Worker?.replicas ?? 1) - 1}`),
    'the name is none of DNS',
  );
