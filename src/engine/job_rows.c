/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Row state in a job: what it takes, whether the disk has room for it, and making it for a stage.  data/row_state.c keeps
 * it; passes and windows open and close the state of each chunk; checkpoints contain it.
 */
#include "engine/engine.h"

/* The state of rows of row_bytes over such data, where the layout puts it; for a stage whose passes go by so many windows. */
static skimpi_row_state_options job_row_state(const skimp_job *job, const skimpi_forecast *f,
                                              const skimpi_layout *layout, uint64_t row_bytes, unsigned window)
{
    unsigned slots = layout->workers;
    if (window > 0) {
        slots = (unsigned)skimpi_max_u64(slots, skimpi_windows_decoders(layout->workers, window, f->chunks));
    }
    return (skimpi_row_state_options){
        .place = layout->rows_in_memory ? SKIMPI_PLACE_MEMORY : SKIMPI_PLACE_SPILL,
        .spill_directory = job->options.spill_dir,
        .allow_tmpfs = job->options.spill_to_memory,
        .write_back_early = layout->in_container,
        .row_bytes = row_bytes,
        .n_rows = f->rows,
        .n_chunks = f->chunks,
        .chunk_rows = f->unit_rows,
        .n_slots = slots,
    };
}

void skimpi_job_plan_row_state(const skimp_job *job, const skimpi_forecast *f, skimpi_layout *layout)
{
    if (layout->row_bytes == 0) {
        return;
    }
    const skimpi_row_state_options rows = job_row_state(job, f, layout, layout->row_bytes, layout->needs.window);
    layout->row_state = skimpi_row_state_store_bytes(&rows);
    layout->chunks = skimpi_add_sat(layout->chunks, skimpi_row_state_buffer_bytes(&rows));
    layout->disk = skimpi_add_sat(layout->disk, skimpi_row_state_disk_bytes(&rows));
    if (job->options.checkpoint != NULL) {
        layout->disk = skimpi_add_sat(layout->disk, skimpi_checkpoint_disk_bytes(skimpi_row_state_bytes(&rows)));
    }
}

skimp_status skimpi_job_check_disk(const skimp_job *job, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_layout *layout = &job->layout;
    const uint64_t store =
        layout->in_memory || job->store_is_input || skimpi_job_each_pass(job) ? 0 : job->forecast.store_bytes;
    if (layout->row_bytes == 0) {
        return SKIMP_OK; /* a store alone looks after itself */
    }
    const skimpi_row_state_options rows =
        job_row_state(job, &job->forecast, layout, layout->row_bytes, layout->needs.window);
    if (!layout->rows_in_memory) {
        SKIMPI_TRY(skimpi_row_state_check_disk(&rows, skimpi_add_sat(store, store / 20), error));
    }
    if (job->options.checkpoint != NULL) {
        SKIMPI_TRY(skimpi_checkpoint_check_disk(job->options.checkpoint, skimpi_row_state_bytes(&rows), error));
    }
out:
    return status;
}

skimp_status skimpi_reading_keep_row_state(skimpi_reading *reading, const skimpi_needs *needs, bool has_checkpoint,
                                           skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_job *job = reading->job;
    const skimpi_row_state_options rows =
        job_row_state(job, &job->forecast, &job->layout, needs->row_state_bytes, needs->window);
    const bool is_spilled = skimpi_store_place(reading->store) == SKIMPI_PLACE_SPILL;
    uint64_t disk = is_spilled ? skimpi_store_summary(reading->store)->store_bytes : 0;
    SKIMPI_TRY(skimpi_row_state_create(&reading->row_state, reading->budget, &rows, error));
    disk += skimpi_row_state_disk_bytes(&rows);
    disk += has_checkpoint ? skimpi_checkpoint_disk_bytes(skimpi_row_state_bytes(&rows)) : 0;
    job->report.disk_bytes = skimpi_max_u64(job->report.disk_bytes, disk);
out:
    return status;
}
