// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// sluice.hpp — everything but the adapters, for a first try.
///
/// Not for        a build whose compile time matters: include the headers that are used
/// Differs        core/hash.hpp comes along only where <xxhash.h> is installed

#include <sluice/core/assert.hpp>
#include <sluice/core/backoff.hpp>
#include <sluice/core/cacheline.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/futex.hpp>
#if __has_include(<xxhash.h>)
#include <sluice/core/hash.hpp>
#endif
#include <sluice/core/mix64.hpp>
#include <sluice/core/random.hpp>
#include <sluice/core/sleeper.hpp>
#include <sluice/core/snapshot.hpp>
#include <sluice/core/unique_function.hpp>
#include <sluice/core/units.hpp>

#include <sluice/stats/bloom_filter.hpp>
#include <sluice/stats/count_min.hpp>
#include <sluice/stats/ewma.hpp>
#include <sluice/stats/holt.hpp>
#include <sluice/stats/hyperloglog.hpp>
#include <sluice/stats/log_histogram.hpp>
#include <sluice/stats/reservoir.hpp>
#if __has_include(<xxhash.h>)
#include <sluice/stats/space_saving.hpp>
#endif

#include <sluice/queue/bounded_chase_lev_deque.hpp>
#include <sluice/queue/chase_lev_deque.hpp>
#include <sluice/queue/event_count.hpp>
#include <sluice/queue/fifo_steal_queue.hpp>
#include <sluice/queue/injector.hpp>
#include <sluice/queue/mpmc_ring.hpp>
#include <sluice/queue/mpsc_inbox.hpp>
#include <sluice/queue/split_deque.hpp>
#include <sluice/queue/steal_result.hpp>

#if __has_include(<xxhash.h>)
#include <sluice/routing/anchor_hash.hpp>
#endif
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/balancer_ref.hpp>
#if __has_include(<xxhash.h>)
#include <sluice/routing/bounded_load.hpp>
#endif
#include <sluice/routing/cost_aware.hpp>
#include <sluice/routing/dns_record_set.hpp>
#if __has_include(<xxhash.h>)
#include <sluice/routing/dx_hash.hpp>
#endif
#include <sluice/routing/edf.hpp>
#include <sluice/routing/gossip.hpp>
#if __has_include(<xxhash.h>)
#include <sluice/routing/hashed_key.hpp>
#endif
#if __has_include(<xxhash.h>)
#include <sluice/routing/hot_keys.hpp>
#endif
#if __has_include(<xxhash.h>)
#include <sluice/routing/jump_hash.hpp>
#endif
#if __has_include(<xxhash.h>)
#include <sluice/routing/ketama_points.hpp>
#endif
#if __has_include(<xxhash.h>)
#include <sluice/routing/key_splitter.hpp>
#endif
#include <sluice/routing/least_loaded.hpp>
#include <sluice/routing/least_loaded_heap.hpp>
#include <sluice/routing/load_metric.hpp>
#if __has_include(<xxhash.h>)
#include <sluice/routing/maglev.hpp>
#endif
#if __has_include(<xxhash.h>)
#include <sluice/routing/memento_hash.hpp>
#endif
#if __has_include(<xxhash.h>)
#include <sluice/routing/multi_probe_hash.hpp>
#endif
#if __has_include(<xxhash.h>)
#include <sluice/routing/named_buckets.hpp>
#endif
#include <sluice/routing/nearest.hpp>
#include <sluice/routing/node_facts.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/routing/node_states.hpp>
#include <sluice/routing/node_view.hpp>
#include <sluice/routing/outlier_detector.hpp>
#include <sluice/routing/outlier_ejection.hpp>
#include <sluice/routing/panic_threshold.hpp>
#include <sluice/routing/peak_ewma.hpp>
#if __has_include(<xxhash.h>)
#include <sluice/routing/placement.hpp>
#endif
#include <sluice/routing/placement_constraints.hpp>
#include <sluice/routing/placement_score.hpp>
#if __has_include(<xxhash.h>)
#include <sluice/routing/point_policy.hpp>
#endif
#include <sluice/routing/power_of_two_choices.hpp>
#include <sluice/routing/predictive_balancer.hpp>
#include <sluice/routing/prequal.hpp>
#include <sluice/routing/prequal_server.hpp>
#include <sluice/routing/priority_failover.hpp>
#include <sluice/routing/random_choice.hpp>
#if __has_include(<xxhash.h>)
#include <sluice/routing/rendezvous_hash.hpp>
#endif
#if __has_include(<xxhash.h>)
#include <sluice/routing/replicas.hpp>
#endif
#include <sluice/routing/reported_weight.hpp>
#include <sluice/routing/retry_exclusion.hpp>
#if __has_include(<xxhash.h>)
#include <sluice/routing/ring_hash.hpp>
#endif
#include <sluice/routing/round_robin.hpp>
#if __has_include(<xxhash.h>)
#include <sluice/routing/routing_table.hpp>
#endif
#include <sluice/routing/service_directory.hpp>
#include <sluice/routing/service_registry.hpp>
#include <sluice/routing/service_registry_driver.hpp>
#if __has_include(<xxhash.h>)
#include <sluice/routing/session_affinity.hpp>
#endif
#include <sluice/routing/shard_splitter.hpp>
#include <sluice/routing/slo_aware.hpp>
#include <sluice/routing/slow_start.hpp>
#if __has_include(<xxhash.h>)
#include <sluice/routing/spread_constraint.hpp>
#endif
#include <sluice/routing/static_stride.hpp>
#if __has_include(<xxhash.h>)
#include <sluice/routing/subset.hpp>
#endif
#include <sluice/routing/topology.hpp>
#if __has_include(<xxhash.h>)
#include <sluice/routing/virtual_shards.hpp>
#endif
#include <sluice/routing/weighted_random.hpp>
#include <sluice/routing/weighted_round_robin.hpp>
#if __has_include(<xxhash.h>)
#include <sluice/routing/weighted_split.hpp>
#endif
#include <sluice/routing/zone_aware.hpp>

#include <sluice/flow/acquire.hpp>
#include <sluice/flow/adaptive_lifo.hpp>
#include <sluice/flow/aging_priority.hpp>
#include <sluice/flow/aimd_limit.hpp>
#include <sluice/flow/all_of.hpp>
#include <sluice/flow/attempt_result.hpp>
#include <sluice/flow/backoff_policy.hpp>
#include <sluice/flow/batch.hpp>
#include <sluice/flow/batcher.hpp>
#include <sluice/flow/batcher_driver.hpp>
#include <sluice/flow/bbr_limit.hpp>
#include <sluice/flow/bounded_queue.hpp>
#include <sluice/flow/breaker_window.hpp>
#include <sluice/flow/bulkhead.hpp>
#include <sluice/flow/circuit_breaker.hpp>
#include <sluice/flow/client_throttle.hpp>
#include <sluice/flow/codel.hpp>
#include <sluice/flow/concurrency_limiter.hpp>
#include <sluice/flow/consecutive_failures.hpp>
#include <sluice/flow/count_window.hpp>
#include <sluice/flow/credit_pool.hpp>
#include <sluice/flow/credit_window.hpp>
#include <sluice/flow/data_loader.hpp>
#include <sluice/flow/deadline.hpp>
#include <sluice/flow/dedup_table.hpp>
#include <sluice/flow/dedup_window.hpp>
#include <sluice/flow/drr.hpp>
#include <sluice/flow/earliest_deadline.hpp>
#include <sluice/flow/early_refresh.hpp>
#include <sluice/flow/ema_error_window.hpp>
#include <sluice/flow/envoy_gradient_limit.hpp>
#include <sluice/flow/fifo.hpp>
#include <sluice/flow/fixed_window.hpp>
#include <sluice/flow/gcra.hpp>
#include <sluice/flow/gradient2_limit.hpp>
#include <sluice/flow/gradient_limit.hpp>
#include <sluice/flow/hedge.hpp>
#include <sluice/flow/hedge_delay.hpp>
#include <sluice/flow/keyed.hpp>
#include <sluice/flow/knee_limit.hpp>
#include <sluice/flow/leaky_bucket.hpp>
#include <sluice/flow/lease_table.hpp>
#include <sluice/flow/leased.hpp>
#include <sluice/flow/lifo.hpp>
#include <sluice/flow/limit_window.hpp>
#include <sluice/flow/littles_law_limit.hpp>
#include <sluice/flow/load_level.hpp>
#include <sluice/flow/load_shedder.hpp>
#include <sluice/flow/once_result.hpp>
#include <sluice/flow/once_ticket.hpp>
#include <sluice/flow/partitioned_limiter.hpp>
#include <sluice/flow/permit.hpp>
#include <sluice/flow/pid_limit.hpp>
#include <sluice/flow/primed_cache.hpp>
#include <sluice/flow/push_result.hpp>
#include <sluice/flow/queue_discipline.hpp>
#include <sluice/flow/reject_ramp.hpp>
#include <sluice/flow/reservation.hpp>
#include <sluice/flow/retry.hpp>
#include <sluice/flow/retry_budget.hpp>
#include <sluice/flow/retry_share.hpp>
#include <sluice/flow/retry_throttle.hpp>
#include <sluice/flow/rfc_codel.hpp>
#include <sluice/flow/single_flight.hpp>
#include <sluice/flow/sliding_window_counter.hpp>
#include <sluice/flow/sliding_window_log.hpp>
#include <sluice/flow/staggered_start.hpp>
#include <sluice/flow/time_window.hpp>
#include <sluice/flow/timeout_plan.hpp>
#include <sluice/flow/token_bucket.hpp>
#include <sluice/flow/vegas_limit.hpp>
#include <sluice/flow/verdict.hpp>
#include <sluice/flow/warm_up.hpp>
#include <sluice/flow/wfq.hpp>
#include <sluice/flow/worker_health.hpp>

#include <sluice/scaling/amdahl.hpp>
#include <sluice/scaling/amdahl_fit.hpp>
#include <sluice/scaling/autoscale_step.hpp>
#include <sluice/scaling/autoscaler.hpp>
#include <sluice/scaling/autoscaler_driver.hpp>
#include <sluice/scaling/backlog_latency.hpp>
#include <sluice/scaling/batch_or_stream.hpp>
#include <sluice/scaling/bucketed_mean.hpp>
#include <sluice/scaling/busy_protection.hpp>
#include <sluice/scaling/combine_options.hpp>
#include <sluice/scaling/concurrency_tracking.hpp>
#include <sluice/scaling/cooldown.hpp>
#include <sluice/scaling/coordination_paths.hpp>
#include <sluice/scaling/cost_mix.hpp>
#include <sluice/scaling/dead_band.hpp>
#include <sluice/scaling/drain_time.hpp>
#include <sluice/scaling/effective_workers.hpp>
#include <sluice/scaling/erlang.hpp>
#include <sluice/scaling/feed_forward.hpp>
#include <sluice/scaling/forecaster.hpp>
#include <sluice/scaling/ggc.hpp>
#include <sluice/scaling/gustafson.hpp>
#include <sluice/scaling/harmonic_regression.hpp>
#include <sluice/scaling/holt_winters.hpp>
#include <sluice/scaling/holt_winters_fit.hpp>
#include <sluice/scaling/hpa_replicas.hpp>
#include <sluice/scaling/instances_for.hpp>
#include <sluice/scaling/instances_for_wait.hpp>
#include <sluice/scaling/karp_flatt.hpp>
#include <sluice/scaling/law_comparison.hpp>
#include <sluice/scaling/learned.hpp>
#include <sluice/scaling/littles_law.hpp>
#include <sluice/scaling/max_of.hpp>
#include <sluice/scaling/mg1.hpp>
#include <sluice/scaling/min_of.hpp>
#include <sluice/scaling/mm1.hpp>
#include <sluice/scaling/mmc.hpp>
#include <sluice/scaling/mmck.hpp>
#include <sluice/scaling/offered_load.hpp>
#include <sluice/scaling/optimal_batch.hpp>
#include <sluice/scaling/pid.hpp>
#include <sluice/scaling/pid_tracking.hpp>
#include <sluice/scaling/pid_tuning.hpp>
#include <sluice/scaling/pool_sampler.hpp>
#include <sluice/scaling/predictive.hpp>
#include <sluice/scaling/queue_depth.hpp>
#include <sluice/scaling/rate_policy.hpp>
#include <sluice/scaling/recommender.hpp>
#include <sluice/scaling/resizable_executor.hpp>
#include <sluice/scaling/scaling_decision.hpp>
#include <sluice/scaling/scaling_limit.hpp>
#include <sluice/scaling/scaling_rules.hpp>
#include <sluice/scaling/scheduled.hpp>
#include <sluice/scaling/size_limits.hpp>
#include <sluice/scaling/slo_erlang.hpp>
#include <sluice/scaling/stabilisation_window.hpp>
#include <sluice/scaling/target_tracking.hpp>
#include <sluice/scaling/usl.hpp>
#include <sluice/scaling/usl_cap.hpp>
#include <sluice/scaling/usl_fit.hpp>

#include <sluice/executor/admission_policy.hpp>
#include <sluice/executor/admitted_executor.hpp>
#include <sluice/executor/async_scope.hpp>
#include <sluice/executor/async_semaphore.hpp>
#include <sluice/executor/attached_thread.hpp>
#include <sluice/executor/blocking_region.hpp>
#include <sluice/executor/bulk.hpp>
#include <sluice/executor/cpu_topology.hpp>
#include <sluice/executor/executor.hpp>
#include <sluice/executor/export_metrics.hpp>
#include <sluice/executor/export_trace.hpp>
#include <sluice/executor/fork_join.hpp>
#include <sluice/executor/future.hpp>
#include <sluice/executor/hierarchical_dispatch.hpp>
#include <sluice/executor/idle_policy.hpp>
#include <sluice/executor/isolate.hpp>
#if __has_include(<xxhash.h>)
#include <sluice/executor/keyed_executor.hpp>
#endif
#include <sluice/executor/lock_order.hpp>
#include <sluice/executor/manual_executor.hpp>
#include <sluice/executor/metrics.hpp>
#include <sluice/executor/observer.hpp>
#include <sluice/executor/overload_signal.hpp>
#include <sluice/executor/packaged_task.hpp>
#include <sluice/executor/pin_thread.hpp>
#include <sluice/executor/pool_scheduler.hpp>
#include <sluice/executor/priority_pool.hpp>
#include <sluice/executor/queue_wait_histogram.hpp>
#include <sluice/executor/queued_executor.hpp>
#include <sluice/executor/schedule.hpp>
#include <sluice/executor/shutdown.hpp>
#include <sluice/executor/sized_lanes.hpp>
#include <sluice/executor/strand.hpp>
#include <sluice/executor/stuck_watchdog.hpp>
#include <sluice/executor/sync_wait.hpp>
#include <sluice/executor/task.hpp>
#include <sluice/executor/task_attributes.hpp>
#include <sluice/executor/task_group.hpp>
#include <sluice/executor/task_local.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/executor/thread_pool_options.hpp>
#include <sluice/executor/timer_queue.hpp>
#include <sluice/executor/timer_service.hpp>
#include <sluice/executor/trace_recorder.hpp>
#include <sluice/executor/triage.hpp>
#include <sluice/executor/victim_policy.hpp>
#include <sluice/executor/wait_for_graph.hpp>
#include <sluice/executor/when_all.hpp>
#include <sluice/executor/when_any.hpp>
#include <sluice/executor/worker_placement.hpp>

#include <sluice/parallel/deterministic_reduce.hpp>
#include <sluice/parallel/dynamic_graph.hpp>
#include <sluice/parallel/map_reduce.hpp>
#include <sluice/parallel/md_range.hpp>
#include <sluice/parallel/parallel_find_if.hpp>
#include <sluice/parallel/parallel_for.hpp>
#include <sluice/parallel/parallel_for_each.hpp>
#include <sluice/parallel/parallel_invoke.hpp>
#include <sluice/parallel/parallel_pipeline.hpp>
#include <sluice/parallel/parallel_reduce.hpp>
#include <sluice/parallel/parallel_scan.hpp>
#include <sluice/parallel/parallel_sort.hpp>
#include <sluice/parallel/parallel_stable_sort.hpp>
#include <sluice/parallel/partitioner.hpp>
#include <sluice/parallel/task_graph.hpp>

#include <sluice/sim/arrivals.hpp>
#include <sluice/sim/batch_means.hpp>
#include <sluice/sim/fluid_pool.hpp>
#include <sluice/sim/network.hpp>
#include <sluice/sim/replicate.hpp>
#include <sluice/sim/sample_set.hpp>
#include <sluice/sim/server_failures.hpp>
#include <sluice/sim/server_pool.hpp>
#include <sluice/sim/service_times.hpp>
#include <sluice/sim/simulation.hpp>
#include <sluice/sim/time_integral.hpp>
#include <sluice/sim/traffic.hpp>

#include <sluice/service/admission_chain.hpp>
#include <sluice/service/service.hpp>
#include <sluice/service/service_driver.hpp>
#include <sluice/service/service_options.hpp>

#include <sluice/version.hpp>
