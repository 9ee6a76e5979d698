# A flood of session IDs, each a new session to the application: every request is answered, sessions in use stay on their
# server, the workers' memory does not grow, and requests do not become slower.

use Sticky qw(Visits);
use Time::HiRes 'time';

our $valgrind = $ENV{TEST_NGINX_USE_VALGRIND} // 0;
our $passes = $valgrind ? 2 : 10;
our $per_pass = $valgrind ? 200 : 10_000;
our $in_use = 300;
our $may_grow = 512;    # kB

master_on();
log_level('warn');
client_sections();

our $http = servers('keepalive_requests 1000000; add_header X-Session $arg_id; location / { return 200 "NAME"; }', qw(A B C)) . <<'_EOC_';
upstream u {
    server 127.0.0.1:1985; server 127.0.0.1:1986; server 127.0.0.1:1987;
    session_sticky mode=learn create=$upstream_http_x_session lookup=$arg_sid lookup=$cookie_sid zone=flooded:128k if=$arg_id$arg_sid;
    keepalive 32;
}
access_log off;
keepalive_requests 1000000;
large_client_header_buffers 4 32k;
_EOC_

add_block_preprocessor(sub {
    my ($block) = @_;
    fill($block, $http);
    $block->set_value(config => ($block->config // '') . <<'_EOC_');
location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; add_header X-Worker $pid; }
_EOC_
});

# Sends pipelined requests on one connection and returns the response bodies in order.
sub pipelined {
    my ($connection, @requests) = @_;
    my @bodies;
    while (my @some = splice @requests, 0, 50) {
        print $connection join '', map { "GET $_ HTTP/1.1\r\nHost: localhost\r\n\r\n" } @some;
        push @bodies, map { body(answer_of($connection)) } @some;
    }
    return @bodies;
}

# The workers' private memory.
sub memory_of_workers {
    open my $file, '<', $Test::Nginx::Util::PidFile or return 0;
    chomp(my $master = readline $file);
    my $sum = 0;
    for my $worker (split ' ', Visits::workers_of($master)) {
        open my $status, '<', "/proc/$worker/status" or next;
        local $/;
        $sum += readline($status) =~ /^RssAnon:\s+(\d+) kB/m ? $1 : 0;
    }
    return $sum;
}

run_tests();

__DATA__

=== 100,000 sessions while others are in use
--- timeout: 120
--- client
my $port = Test::Nginx::Util::server_port();
my $connection = connected($port);
my %server;
@server{1 .. $in_use} = pipelined($connection, map { "/?id=used$_" } 1 .. $in_use);
my (@memory, @seconds, %answers);
my $number = 0;
for my $pass (1 .. $passes) {
    my $began = time;
    # nginx itself keeps some memory for each request of a connection until the connection is closed.
    $connection = connected($port);
    for (1 .. $per_pass / 100) {
        $answers{$_}++ for pipelined($connection, map { $number++; "/?id=flood$number&sid=flood" . ($number * 7) } 1 .. 100);
        # Sessions in use make a request from time to time.
        my @users = map { ($number + $_) % $in_use + 1 } 1 .. $in_use / 3;
        my @got = pipelined($connection, map { "/?sid=used$_" } @users);
        $answers{moved} += grep { $got[$_] ne $server{$users[$_]} } 0 .. $#users;
    }
    push @memory, memory_of_workers();
    push @seconds, time - $began;
}
equals(join(' ', sort keys %answers), 'A B C moved', 'every request is answered by a server');
equals($answers{moved}, 0, 'no session in use has moved');
if (!$valgrind) {
    holds($memory[-1] - $memory[1] < $may_grow, "the workers' memory does not grow: @memory kB");
    my @sorted = sort { $a <=> $b } @seconds[0 .. $passes / 2 - 1];
    my @later = sort { $a <=> $b } @seconds[$passes / 2 .. $passes - 1];
    holds($later[0] < 2 * $sorted[-1], "requests do not become slower: @seconds s");
}



=== IDs that may collide in a hash: long ones that differ in one byte, prefixes of each other, binary ones
--- client
my @ids = ((map { 'x' x 8000 . $_ } 1 .. 20), (map { 'y' x $_ } 1 .. 200), (map { sprintf '%%%02x%s', $_, "\x80" x ($_ % 7) } 1 .. 200));
my %server;
for my $id (@ids) {
    $server{$id} = body(visit("/?id=$id"));
}
my @lost = grep { my $id = $_; grep { body(visit("/?sid=$id")) ne $server{$id} } 1 .. 2 } @ids;
equals(scalar(@lost), 0, 'each is a separate session and stays on its server');
--- http_config
proxy_buffer_size 32k;
proxy_buffers 4 32k;
proxy_busy_buffers_size 32k;
