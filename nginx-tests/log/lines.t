# The log lines about sessions whose server is unavailable: one line per request, with the upstream, the address of each
# server with the ID, and the reason.
#
# Stories.pm describes the format of plans, Failures.pm the failures.
# Sections of this file's own:
#   said   a line for each request: UPSTREAM COOKIE PLAN => PATTERN, the expected log line; A: is the address of A, and
#          TIME a time in ten minutes

use Sticky qw(Failures FaultyServers Stories);
use POSIX 'strftime';

worker_connections(1024);

our $servers = failing_servers(1985, 1986, 1987);

my %address = (A => '127.0.0.1:1985', B => '127.0.0.1:1986', C => '127.0.0.1:1987', R => '127.0.0.1:1999', F => '127.0.0.1:1992');

# The lines that the module logs during $work.
sub logged {
    my ($work) = @_;
    my $name = $Test::Nginx::Util::ErrLogFile;
    my $before = -s $name // 0;
    $work->();
    open my $file, '<', $name or return;
    seek $file, $before, 0;
    return grep { /session_sticky: / } readline $file;
}

sub said {
    my ($line) = @_;
    my ($upstream, $cookie, $plan, $wanted) = $line =~ /^(\w+) (\S+) (.*?) => (.*)$/ or die "no line: $line";
    my $asked = time;
    my @lines = logged(sub { outcomes([$upstream, $cookie eq '-' ? '' : $cookie, $plan]) });
    return equals(join('', @lines), '', $line) if $wanted eq 'nothing';
    my $times = join '|', map { strftime('%H:%M:%S', localtime $_) } $asked + 597 .. time + 603;
    $wanted =~ s/\b([ABCRF]):/\Q$address{$1}\E/g;
    $wanted =~ s/\bTIME\b/(?:$times)/g;
    holds(@lines == 1 && $lines[0] =~ /$wanted/ && $lines[0] =~ /upstream "$upstream"/, $line)
        or Test::More::diag("logged: @lines", "wanted: $wanted");
}

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $said = $block->said;
    my $client = client_of($block);
    $block->set_value(http_config => $block->http_config =~ s/\bF:/$address{F}/gr);
    $block->set_value(client => sub {
        said($_) for grep { /\S/ } split /\n/, $said // '';
        $client->() if $client;
    });
    live($block, 'proxy_next_upstream error timeout invalid_header http_503 http_404;');
});

run_tests();

__DATA__

=== the session moves: reasons
--- http_config
upstream down      { server A: down; server B:; session_sticky hash=plain; }
upstream refuses   { server R: id=x fail_timeout=600s; server B:; session_sticky hash=plain; }
upstream silent    { server F: id=x fail_timeout=600s; server B:; session_sticky hash=plain; }
upstream late      { zone logs 512k; server A: fail_timeout=600s; server B:; session_sticky hash=plain; }
upstream says_503  { server A: fail_timeout=600s; server B:; session_sticky hash=plain; }
upstream says_404  { server A: fail_timeout=600s; server B:; session_sticky hash=plain; }
upstream resets    { server A: fail_timeout=600s; server B:; session_sticky hash=plain; }
upstream nonsense  { server A: fail_timeout=600s; server B:; session_sticky hash=plain; }
upstream none_left { zone logs 512k; server A: max_fails=0; server R: max_fails=0; session_sticky hash=plain; }
--- said
down 127.0.0.1:1985 ok => \[info\].*A:.*\(down\)
down 127.0.0.1:1985 ok => the session moves
down 127.0.0.1:1986 ok => nothing
down - ok => nothing
refuses x ok => \[info\].*R:.*\(connection (?:refused|failed)\)
refuses x ok => \[info\].*R:.*\(max_fails until TIME\)
silent x ok => \[info\].*F:.*\(connection timed out\)
silent x ok => \[info\].*F:.*\(max_fails until TIME\)
late 127.0.0.1:1985 hang ok => \[info\].*A:.*\(timed out\)
late 127.0.0.1:1985 ok => \[info\].*A:.*\(max_fails until TIME\)
says_503 127.0.0.1:1985 503 ok => \[info\].*A:.*\(.*503.*\)
says_404 127.0.0.1:1985 404 ok => \[info\].*A:.*\(.*404.*\)
says_404 127.0.0.1:1985 ok => nothing
resets 127.0.0.1:1985 reset ok => \[info\].*A:.*\((?!down|max|timed|connection).+\)
nonsense 127.0.0.1:1985 invalid ok => \[info\].*A:.*\((?!down|max|timed|connection).+\)
none_left 127.0.0.1:1985 hang => \[info\].*A:.*\(timed out\)



=== another server serves the request: the same reasons
--- http_config
upstream keeps   { server A: down; server B:; session_sticky hash=plain rebind=off; }
upstream prefix  { server A: id=x down; server B:; session_sticky hash=plain mode=prefix; }
upstream refuses { server R: id=x fail_timeout=600s; server B:; session_sticky hash=plain rebind=off; }
--- said
keeps 127.0.0.1:1985 ok => \[info\].*another server handles this request.*A:.*\(down\)|\[info\].*A:.*\(down\).*another server handles this request
prefix x~value ok => \[info\].*A:.*\(down\)
prefix x~value ok => another server handles this request
refuses x ok => \[info\].*R:.*\(connection (?:refused|failed)\)
refuses x ok => \[info\].*R:.*\(max_fails until TIME\)



=== several servers with the ID: each with its reason
--- http_config
upstream u { server A: id=x down; server R: id=x fail_timeout=600s; server C: id=x down backup; server B: id=b; session_sticky hash=plain; }
upstream v { server A: id=x down; server R: id=x fail_timeout=600s; server B: id=b; session_sticky hash=plain fallback=off; }
--- said
u x ok => A:.*\(down\).*R:.*\(connection (?:refused|failed)\).*C:.*\(down\)
u x ok => A:.*\(down\).*R:.*\(max_fails until TIME\).*C:.*\(down\)
v x ok => nothing
v x ok => \[error\].*A:.*\(down\).*R:.*TIME



=== max_conns
--- http_config
upstream on  { server A: max_conns=1; server B:; session_sticky hash=plain; }
upstream off { server A: max_conns=1; server B:; session_sticky hash=plain fallback=off; }
--- client
for my $upstream ('on', 'off') {
    my $held = ask_for('wait', $upstream, {cookie => 'route=127.0.0.1:1985', id => "full-$upstream"});
    equals($servers->port_of("full-$upstream"), 1985, "$upstream: the server is full");
    said("$upstream 127.0.0.1:1985 ok => " . ($upstream eq 'on' ? '\[info\]' : '\[error\]') . '.*A:.*\(max_conns\)');
    $servers->go("full-$upstream");
    response($held);
}



=== strict: the reason why the request is refused, at [error]
--- http_config
upstream down    { server A: down; server B:; session_sticky hash=plain fallback=off; }
upstream refuses { server R: id=x fail_timeout=600s; server B:; session_sticky hash=plain fallback=unknown; }
upstream silent  { zone strict_logs 512k; server F: id=x max_fails=2 fail_timeout=600s; server B:; session_sticky hash=plain fallback=off; }
upstream late    { server A: fail_timeout=600s; server B:; session_sticky hash=plain fallback=off; }
upstream unknown { server A: fail_timeout=600s; server B:; session_sticky hash=plain fallback=off; }
--- said
down 127.0.0.1:1985 ok => \[error\].*A:.*\(down\)
refuses x ok => nothing
refuses x ok => \[error\].*R:.*\(.*until TIME\)
refuses - ok => nothing
silent x ok => nothing
silent x ok => nothing
silent x ok => \[error\].*F:.*\(.*until TIME\)
late 127.0.0.1:1985 hang => nothing
late 127.0.0.1:1985 503 => nothing
late 127.0.0.1:1985 ok => nothing



=== an ID that names no server
--- http_config
upstream u { server A:; server B:; session_sticky hash=plain; }
--- said
u gone ok => \[info\].*unknown.*"gone"
