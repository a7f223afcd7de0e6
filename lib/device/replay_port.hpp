// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "device/capture_writer.hpp"
#include "device/port.hpp"

namespace linnet::device {

// A port that receives a capture through DPDK's net_pcap driver and writes what is sent into
// another, in the time of the capture. The driver hands everything over at once; this port keeps
// it back until its owner lets it through, frame by frame. Used from one thread.
class ReplayPort final : public Device {
 public:
  struct Options {
    std::string input;    // a whole capture of Ethernet frames: the caller has checked it
    std::string output;   // made anew
    PortOptions port;     // its devargs are made here; without a MAC it gets 02:4c:4e:00:00:N
    unsigned number = 1;  // N: the port's place in the configuration, from 1
  };
  static Result<std::unique_ptr<ReplayPort>> create(const Options& options);
  ~ReplayPort() override;

  // When the next frame that was not let through was captured, in nanoseconds since 1970; none at
  // the capture's end.
  std::optional<std::int64_t> next_stamp_ns();
  // The next `receive` gets one frame.
  void let_through() { ++let_through_; }
  // The time that frames are written with, in nanoseconds since 1970.
  void set_stamp_ns(std::int64_t stamp) { stamp_ns_ = stamp; }
  // Ends the output. An error if it is not all in the file, or if a frame of the input was lost.
  Result<> finish();
  std::uint64_t frames_written() const { return writer_.frames(); }

  Result<> set_mtu(std::uint32_t bytes) override;
  Result<> set_mac(MacAddress mac) override;
  std::uint32_t min_mtu() const override { return port_->min_mtu(); }
  std::uint32_t max_mtu() const override { return port_->max_mtu(); }
  std::string driver() const override { return port_->driver(); }

  unsigned receive(unsigned queue, packet::Burst& burst) override;
  std::uint64_t prepare(packet::Turn& turn, packet::Burst& burst) override {
    return port_->prepare(turn, burst);
  }
  unsigned transmit(unsigned queue, packet::Burst& burst) override;

 private:
  ReplayPort(std::string name, std::unique_ptr<Port> port);
  void look_ahead();

  std::unique_ptr<Port> port_;
  CaptureWriter writer_;
  int stamp_offset_ = -1;  // of the driver's stamp in an mbuf
  packet::Burst ahead_;    // read from the driver, not let through
  bool at_end_ = false;
  unsigned let_through_ = 0;
  std::int64_t stamp_ns_ = 0;
};

}  // namespace linnet::device
