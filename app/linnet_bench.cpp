// SPDX-License-Identifier: BSD-3-Clause
// The measured half of scripts/bench, which starts it and its opponents and does the arithmetic.
#include <boost/program_options.hpp>
#include <iostream>

#include "app/bench/forward.hpp"
#include "app/bench/handover.hpp"
#include "app/bench/idle.hpp"
#include "app/bench/requests.hpp"
#include "app/bench/tcp.hpp"
#include "app/bench/traffic.hpp"

namespace {

namespace options = boost::program_options;
using linnet::Result;

int fail(const linnet::Error& error) {
  std::cerr << "linnet-bench: " << error.text() << "\n";
  return 1;
}

struct Choices {
  std::string command;
  linnet::bench::ForwardOptions forward;
  linnet::bench::FrameOptions frames;
  linnet::bench::TcpOptions tcp;
  std::string medium = "memif";
};

options::options_description describe(Choices& choices) {
  auto& forward = choices.forward;
  auto& tcp = choices.tcp;
  options::options_description all(
      "linnet-bench frames|forward|tcp|idle|handover|requests [options]");
  all.add_options()("help", "say this")                                                       //
      ("frames", options::value(&forward.frames), "capture file to write, or to replay")      //
      ("routes", options::value(&forward.routes)->default_value(1), "number of routes")       //
      ("seed", options::value(&forward.seed)->default_value(1), "seed of routes and frames")  //
      ("flows", options::value(&choices.frames.flows)->default_value(1), "frames: flows")     //
      ("size", options::value(&choices.frames.frame_bytes)->default_value(60),
       "frames: bytes without check sequence")                                                 //
      ("burst", options::value(&forward.burst)->default_value(64), "forward: frames at once")  //
      ("core", options::value(&forward.core)->default_value(1), "CPU of the lane")             //
      ("lanes", options::value(&forward.lanes)->default_value(1), "forward: lanes")            //
      ("memory", options::value(&forward.memory_mb)->default_value(1024), "MB for DPDK")       //
      ("packets", options::value(&forward.packets)->default_value(32768), "in the pool")       //
      ("hugepages", options::bool_switch(&forward.hugepages), "use huge pages")                //
      ("over", options::value(&tcp.over)->default_value(tcp.over), "tcp: linnet or kernel")    //
      ("role", options::value(&tcp.role)->default_value(tcp.role), "tcp: server, client, both")(
          "wire", options::value(&tcp.wire)->default_value(tcp.wire), "tcp: name of its socket")  //
      ("medium", options::value(&choices.medium)->default_value(choices.medium),
       "tcp: memif, vhost or ring")                                                  //
      ("mtu", options::value(&tcp.mtu)->default_value(tcp.mtu), "tcp: of the wire")  //
      ("server-core", options::value(&tcp.server_core)->default_value(tcp.server_core),
       "tcp, role both: CPU of the server's thread; -1: one thread for both")  //
      ("count", options::value(&forward.count)->default_value(0),
       "forward: end after N packets; idle: pairs");
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  Choices choices;
  const options::options_description all = describe(choices);
  options::options_description hidden;
  hidden.add(all).add_options()("command", options::value(&choices.command));
  options::positional_options_description positional;
  positional.add("command", 1);
  options::variables_map values;
  try {
    options::store(options::command_line_parser(argc, argv)
                       .options(hidden)
                       .positional(positional)
                       .style(options::command_line_style::unix_style &
                              ~options::command_line_style::allow_guessing)
                       .run(),
                   values);
    options::notify(values);
  } catch (const options::error& error) {
    std::cerr << "linnet-bench: " << error.what() << "\n";
    return 2;
  }
  const auto is = [&](const char* command) { return choices.command == command; };
  const bool known =
      is("frames") || is("forward") || is("tcp") || is("idle") || is("handover") || is("requests");
  if (values.count("help") != 0 || !known) {
    std::cout << all;
    return values.count("help") != 0 ? 0 : 2;
  }
  if (choices.command == "frames") {
    choices.frames.path = choices.forward.frames;
    choices.frames.seed = choices.forward.seed;
    choices.frames.destination = linnet::bench::router_mac();
    const Result<> written = linnet::bench::write_frames(
        linnet::bench::internet_like_prefixes(choices.forward.routes, choices.forward.seed),
        choices.frames);
    return written ? 0 : fail(written.error());
  }
  if (is("idle")) {
    const auto pairs = static_cast<std::uint32_t>(choices.forward.count);
    const Result<> ran = linnet::bench::run_idle(pairs, choices.forward.memory_mb, std::cout);
    return ran ? 0 : fail(ran.error());
  }
  if (is("tcp")) {
    const auto medium = linnet::bench::medium_from(choices.medium);
    if (!medium) return fail(medium.error());
    choices.tcp.medium = *medium;
    choices.tcp.core = static_cast<int>(choices.forward.core);
    choices.tcp.memory_mb = choices.forward.memory_mb;
    choices.tcp.packets = choices.forward.packets;
    choices.tcp.hugepages = choices.forward.hugepages;
    const Result<> ran = linnet::bench::run_tcp(choices.tcp, std::cin, std::cout);
    return ran ? 0 : fail(ran.error());
  }
  if (is("handover")) {
    const linnet::bench::HandoverOptions handover{.core = choices.forward.core,
                                                  .flows = 256,
                                                  .memory_mb = choices.forward.memory_mb,
                                                  .packets = choices.forward.packets,
                                                  .hugepages = choices.forward.hugepages};
    const Result<> ran = linnet::bench::run_handover(handover, std::cin, std::cout);
    return ran ? 0 : fail(ran.error());
  }
  if (is("requests")) {
    const linnet::bench::RequestsOptions requests{.lanes = choices.forward.lanes,
                                                  .core = choices.forward.core,
                                                  .memory_mb = choices.forward.memory_mb,
                                                  .packets = choices.forward.packets,
                                                  .hugepages = choices.forward.hugepages};
    const Result<> ran = linnet::bench::run_requests(requests, std::cin, std::cout);
    return ran ? 0 : fail(ran.error());
  }
  const Result<> ran = linnet::bench::run_forward(choices.forward, std::cin, std::cout);
  return ran ? 0 : fail(ran.error());
}
