# The zone of mode=learn: it is shared by all workers, kept over a reload, and new sessions fit even if it is full.
#
# A, B and C answer with their name, and create the session named in the argument id. On port 1983, nginx spreads
# requests over its workers.
# Sections of this file's own:
#   learn     the parameters of "session_sticky mode=learn create= lookup=" in upstream "u"

use Sticky qw(Running Upstreams Visits);
use Time::HiRes qw(sleep time);

our $rounds = $ENV{TEST_NGINX_USE_VALGRIND} ? 2 : 8;

sub begin { my ($id) = @_; return body(visit("/u/?id=$id", undef, 1983)) }
sub session { my ($id) = @_; return body(visit("/u/?sid=$id", undef, 1983)) }
# Sessions whose requests reach a server other than the one that created them.
sub lost { my ($server) = @_; return grep { session($_) ne $server->{$_} } sort keys %$server }
# Sessions that are still known: several requests of each reach its server, so that it is not by chance.
sub known { my ($server) = @_; return grep { my $id = $_; !grep { session($id) ne $server->{$id} } 1 .. 4 } sort keys %$server }

client_sections();
upstream_sections('add_header X-Session $arg_id;');
add_block_preprocessor(sub {
    my ($block) = @_;
    my $learn = $block->learn // return;
    $block->set_value(upstreams => "upstream u { server A: max_fails=0; server B: max_fails=0; server C: max_fails=0;\n"
        . "session_sticky mode=learn create=\$upstream_http_x_session lookup=\$arg_sid $learn; }\n");
});

master_on();
run_tests();

__DATA__

=== four workers share the learned sessions
--- workers: 4
--- learn: zone=workers:64k
--- client
my %server = map { $_ => begin($_) } 1 .. 30;
equals(scalar(lost(\%server)), 0, 'every session reaches its server');
equals(bodies(everywhere('/u/?sid=1&x=')), $server{1}, 'in each worker');



=== a reload keeps the sessions: with the same size, a larger one, a smaller one
--- workers: 2
--- learn: zone=reload:64k timeout=1h
--- client
my %server = map { $_ => begin($_) } 1 .. 100;
for my $size ('64k', '512k', '32k', '64k') {
    configure(qr/zone=reload:\w+/, "zone=reload:$size");
    holds(reload(), "nginx reloads with $size");
    equals(join(' ', lost(\%server)), '', "$size: all sessions are kept");
    my %new = map { ("$size-$_" => begin("$size-$_")) } 1 .. 10;
    equals(join(' ', lost(\%new)), '', "$size: new sessions are learned");
}
configure(qr/zone=reload:\w+/, 'zone=renamed:64k');
holds(reload(), 'nginx reloads with another zone name');
holds(known(\%server) < 30, 'the new zone has no sessions');
my %new = map { $_ => begin($_) } 1 .. 10;
equals(join(' ', lost(\%new)), '', 'it learns new ones');



=== a reload with a smaller zone keeps the newest sessions
--- learn: zone=shrinks:256k
--- client
my %server;
$server{$_} = begin($_) for 1 .. 2000;
configure(qr/zone=shrinks:\w+/, 'zone=shrinks:32k');
# The age of sessions is measured in tenths of a second.
sleep 0.3;
my @newest = 2001 .. 2200;
$server{$_} = begin($_) for @newest;
holds(reload(), 'nginx reloads');
equals(join(' ', lost({map { $_ => $server{$_} } @newest})), '', 'the newest sessions are kept');
my %oldest = map { $_ => $server{$_} } 1 .. 60;
holds(known(\%oldest) < 30, 'the oldest are not');



=== a failed reload changes nothing
--- learn: zone=fails:64k
--- client
my %server = map { $_ => begin($_) } 1 .. 30;
configure(qr/zone=fails:64k/, 'zone=fails:1k');
kill HUP => master();
eventually(sub { log_lines('invalid value "fails:1k"') }, 'nginx rejects a zone that is too small');
equals(join(' ', lost(\%server)), '', 'the sessions are kept');
--- no_error_log
[crit]
[alert]
--- may_warn
invalid value "fails:1k"



=== nginx -t does not affect the sessions of a running nginx
--- learn: zone=tested:64k
--- client
my %server = map { $_ => begin($_) } 1 .. 30;
for my $size ('64k', '128k') {
    configure(qr/zone=tested:\w+/, "zone=tested:$size");
    my $said = `$ENV{TEST_NGINX_BINARY} -t -e stderr -c $Test::Nginx::Util::ConfFile -p $Test::Nginx::Util::ServRoot 2>&1`;
    holds($said =~ /test is successful/, "nginx -t with $size") or print "# $said";
}
equals(join(' ', lost(\%server)), '', 'the sessions are kept');



=== a worker killed under load: no session is lost and no request hangs
--- workers: 3
--- learn: zone=killed:64k
--- locations
# The killed worker also runs a server; its failure must not move a session.
proxy_next_upstream off;
--- client
my %server = map { $_ => begin($_) } 1 .. 60;
my @killed;
for my $round (1 .. $rounds) {
    # Requests whose responses may be lost with the worker.
    my @asked = map { ask("/u/?sid=$_&id=load$round-$_", undef, 1983) } 1 .. 60;
    my ($worker) = grep { $_ } split ' ', Visits::workers_of(master());
    kill_worker($worker);
    push @killed, $worker;
    response($_) for @asked;
    eventually(sub { my @now = split ' ', Visits::workers_of(master()); @now == 3 && !grep { $_ == $worker } @now }, "worker $round is replaced");
}
my $began = time;
equals(join(' ', lost(\%server)), '', 'every session is still on its server');
holds(time - $began < patience(), 'no request waits');
my %new = map { ("new$_" => begin("new$_")) } 1 .. 30;
equals(join(' ', lost(\%new)), '', 'new sessions are learned');
--- no_error_log
[crit]
[emerg]
--- may_warn
exited on signal 9



=== a full zone: the oldest sessions are removed, those in use are kept, and one message a minute is logged
--- learn: zone=full:32k
--- client
my %used = map { ("used$_" => begin("used$_")) } 1 .. 12;
for my $n (1 .. 2000) {
    begin("n$n");
    # Each is used again before the clock hand has gone round twice.
    if ($n % 100 == 0) { session($_) for sort keys %used }
}
equals(join(' ', lost(\%used)), '', 'sessions in use stay');
my @lines = log_lines('zone "full" of upstream "u" is full');
equals(scalar(@lines), 1, 'one message') or print map { "# $_" } @lines;
holds($lines[0] =~ /\[warn\] .*session_sticky: zone "full" of upstream "u" is full, \d+ of its (\d+) sessions were removed before their timeout since the last such message: increase its size/,
    'the message with the number of sessions');
holds($1 > 400 && $1 < 512, "the zone holds $1 sessions");
--- no_error_log
[error]
[crit]
[alert]
