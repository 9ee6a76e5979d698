# session_sticky_control on state=FILE: what was said stays over a restart. The file is written whole or not at all; one that is
# damaged is told and ignored.
#
# FOLDER is a folder of this file's own, in which workers may write; A, B and C answer with their name.
# Sections of this file's own:
#   file    what is in FOLDER/state before nginx starts
#   pipe    it is a pipe

# What was said of servers outlives a reload, so each block needs an nginx of its own in mode hup too.
BEGIN { delete $ENV{TEST_NGINX_USE_HUP} }

use Sticky qw(Upstreams Visits Running Control);
use Fcntl ':mode';
use File::Temp;
use POSIX ();

our $folder = File::Temp->newdir;
chmod 0777, $folder;

sub state_file {
    open my $file, '<', "$folder/state" or return 'none';
    local $/;
    return readline $file;
}

sub entries { return join "\n", sort grep { !/^session_sticky_control 1$|^end \d+$/ } split /\n/, state_file() }
sub others { return join ' ', map { s{.*/}{}r } grep { !m{/state\z} } glob "$folder/*" }

client_sections();
upstream_sections('');
add_block_preprocessor(sub {
    my ($block) = @_;
    unlink glob "$folder/*";
    if (defined $block->file) {
        open my $file, '>', "$folder/state" or die "cannot write: $!\n";
        print $file $block->file =~ s/\\n\z//r;
        close $file or die "cannot write: $!\n";
    }
    POSIX::mkfifo("$folder/state", 0600) or die "cannot make a pipe: $!\n" if defined $block->pipe;
    $block->set_value(upstreams => "upstream u { server A:; server B:; server C:; session_sticky; }\n")
        if !defined $block->upstreams;
    my $state = $block->state // "state=$folder/state";
    $block->set_value(locations => ($control =~ s/control on/control on $state/r) . ($block->locations // ''));
    $block->set_value(workers => 2);
});

no_shuffle();
master_on();
run_tests();

__DATA__

=== what was said is kept over a restart, an end as well
--- client
now('u', 'A', 'drain');
equals(status(patch('u', 'B', '{"state":"down","for":"1h"}')), '200', 'B is down for an hour');
my $until = shown('u', 'B')->{control}{until};
equals(entries(), "down $until u 127.0.0.1:1986\ndrain 0 u 127.0.0.1:1985", 'the file');
holds(state_file() =~ /\Asession_sticky_control 1\n(?:.*\n){2}end 2\n\z/, 'is whole') or print state_file();
equals(sprintf('%o', (stat "$folder/state")[2] & 0777), '644', 'its mode');
equals(others(), '', 'nothing is beside it');
holds(restart(), 'a restart');
equals(bodies(everywhere('/u/', "route=$id{A}")), 'A', 'the sessions of A stay');
equals(bodies(everywhere('/u/')), 'C', 'first visits go to C');
equals(shown('u', 'B')->{control}{until}, $until, 'B has its end');
now('u', $_, 'up') for qw(A B);
equals(state_file(), "session_sticky_control 1\nend 0\n", 'nothing is said');
holds(restart(), 'a restart');
holds(bodies(everywhere('/u/')) =~ /A | B/, 'A and B are up');



=== what has ended while nginx was away has ended
--- file
session_sticky_control 1
down 1600000000 u 127.0.0.1:1985
drain 1600000000 u 127.0.0.1:1986
end 2
--- client
equals(bodies(everywhere('/u/', "route=$id{A}")), 'A', 'A is up again');
holds(bodies(everywhere('/u/', "route=$id{B}")) !~ /B/, 'B is down now');
eventually(sub { entries() eq 'down 0 u 127.0.0.1:1986' }, 'the file says so') or print state_file();



=== a reload does not read the file: what is in memory is newer
--- client
now('u', 'A', 'drain');
open my $file, '>', "$folder/state" or die;
print $file "session_sticky_control 1\nend 0\n";
close $file;
holds(reload(), 'a reload');
equals(shown('u', 'A')->{state}, 'draining', 'A drains');
now('u', 'B', 'drain');
equals(entries(), "drain 0 u 127.0.0.1:1985\ndrain 0 u 127.0.0.1:1986", 'both are written');



=== a reload that names another file: that has what is in memory with the next request
--- client
now('u', 'A', 'drain');
my $before = state_file();
configure(qr/state=\S+;/, "state=$folder/other;");
holds(reload(), 'a reload');
visit('/u/', undef, 1983);
rename "$folder/other", "$folder/state" or print "no other file\n";
equals(state_file(), $before, 'the other file');
equals(others(), '', 'nothing is beside it');



=== many changes at a time: the file has the last state, and nothing is left beside it
--- client
my @asked;
for my $round (1 .. 30) {
    for my $server (qw(A B C)) {
        my $word = $round == 30 ? 'up' : (qw(up drain down))[$round % 3];
        my $body = qq[{"state":"$word"}];
        push @asked, say_to_nginx("PATCH /status/upstreams/u/servers/$line{$server} HTTP/1.1\r\nHost: localhost\r\n"
            . "Content-Type: application/json\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body", 1983);
    }
    holds(!grep({ status($_) ne '200' } map { response($_) } splice @asked), "round $round");
}
equals(state_file(), "session_sticky_control 1\nend 0\n", 'the last state');
equals(others(), '', 'nothing is beside it');



=== servers that are gone stay in the file, and others too: names with anything in them
--- file
session_sticky_control 1
drain 0 gone%20with%0athe%20wind unix:/tmp/%25%ff
end 1
--- client
now('u', 'A', 'down');
equals(entries(), "down 0 u 127.0.0.1:1985\ndrain 0 gone%20with%0athe%20wind unix:/tmp/%25%ff", 'both');



=== a file that is cut off is ignored as a whole, and told
--- file
session_sticky_control 1
down 0 u 127.0.0.1:1985
--- client
equals(bodies(everywhere('/u/', "route=$id{A}")), 'A', 'A is up');
now('u', 'B', 'drain');
equals(entries(), 'drain 0 u 127.0.0.1:1986', 'the next change writes a new one');
--- error_log eval
qr/\[error\] .*session_sticky: "[^"]*\/state" is ignored, server states are not restored: line 3 is damaged/



=== so is one with a line that is none
--- file
session_sticky_control 1
down 0 u 127.0.0.1:1985
gone 0 u 127.0.0.1:1986
end 2
--- client
equals(bodies(everywhere('/u/', "route=$id{A}")), 'A', 'A is up');
--- error_log
line 3 is damaged



=== and one of another version, or of another kind
--- file
root:x:0:0:root:/root:/bin/sh
--- client
equals(bodies(everywhere('/u/')), 'A | B | C', 'all are up');
--- error_log
line 1 is damaged



=== a pipe, for which nobody waits
--- pipe
--- client
now('u', 'A', 'drain');
holds(-f "$folder/state", 'the next change writes a file');
--- error_log eval
qr/\[error\] .*session_sticky: "[^"]*\/state" is ignored, server states are not restored: it is not a regular file/



=== a folder as the file
--- state eval
"state=$::folder"
--- client
my $response = patch('u', 'A', '{"state":"drain"}');
equals(status($response), '500', 'it cannot be written');
holds(body($response) =~ /in effect until nginx stops, but could not be saved/, 'as is said');
equals(shown('u', 'A')->{state}, 'draining', 'but the change is in force');
--- error_log eval
[qr/\[error\] .*is ignored/, qr/\[error\] .*could not be written/]



=== a folder that workers cannot write: nginx starts with a warning, a change is in force and said not to be saved
--- state
state=/proc/1/state
--- client
my $response = patch('u', 'A', '{"state":"drain"}');
equals(status($response), '500', 'it cannot be written');
equals(bodies(everywhere('/u/', "route=$id{A}")), 'A', 'the sessions of A stay');
holds(bodies(everywhere('/u/')) !~ /A/, 'first visits go elsewhere');
--- error_log eval
qr/\[error\] .*session_sticky: "\/proc\/1\/state" could not be written/
--- no_error_log
[alert]
[crit]



=== a change that could not be saved is, when it is asked for once more
--- client
mkdir "$folder/state" or die;
my $drain = sub { return status(patch('u', 'A', '{"state":"drain"}')) };
equals($drain->(), '500', 'it cannot be saved');
equals($drain->(), '500', 'it still cannot');
rmdir "$folder/state" or die;
equals($drain->(), '200', 'it can');
equals(entries(), 'drain 0 u 127.0.0.1:1985', 'and was');
my $at = (stat "$folder/state")[1];
equals($drain->(), '200', 'once more');
equals((stat "$folder/state")[1], $at, 'the file has it already');
unlink "$folder/state";
equals(status(patch('u', 'B', '{"state":"up"}')), '200', 'nothing is said');
equals(state_file(), 'none', 'and nothing is to be saved');
--- error_log
could not be written



=== nginx -t warns of a folder that the user of workers cannot write, and of one that is not there
--- client
# Whoever is not root has no choice which runs the worker processes.
return if $>;
my $gid = (getpwnam 'nobody')[3];
my $group = getgrgid $gid;
configure(qr/^user .*;/m, '') if Running::read_configuration() =~ /^user /m;
configure(qr/^events/m, "user nobody $group;\nevents");
chmod 0755, $folder;
my $said = tested();
holds($said =~ /\[warn\] .*"session_sticky_control" will not be able to write "[^"]*\/state": its directory is not writable by user "nobody"/,
    'the folder') or print "# $said";
holds($said =~ /test is successful/, 'it loads');
chown 0, $gid, "$folder";
holds(tested() =~ /will not be able/, 'nor can its group');
chmod 0775, $folder;
holds(tested() !~ /will not be able/, 'the group can write there');
chown 0, 0, "$folder";
holds(tested() =~ /will not be able/, 'but no other');
chmod 0777, $folder;
holds(tested() !~ /will not be able/, 'anybody can write there');
chmod 01777, $folder;
now('u', 'A', 'drain');
holds(tested() =~ /will not be able/, 'but for a file of another that nobody else may replace');
chmod 0777, $folder;
configure(qr/state=\S+\/state/, "state=$folder/none/state");
$said = tested();
holds($said =~ /\[warn\] .*will not be able to write "[^"]*\/none\/state": its directory: No such file/, 'no folder') or print "# $said";
--- no_error_log
[alert]
[crit]



=== a path that is relative begins with the prefix
--- state
state=html/state
--- client
chmod 0777, "$Test::Nginx::Util::ServRoot/html";
now('u', 'A', 'drain');
holds(-f "$Test::Nginx::Util::ServRoot/html/state", 'it is there');



=== what servers ask is not written, and needs no writing
--- upstreams
upstream u { server A:; server B:; server C:; session_sticky drain_if=$arg_drain; }
--- client
equals(body(visit('/u/?drain=1', "route=$id{A}", 1983)), 'A', 'A asks');
equals(state_file(), 'none', 'there is no file');
now('u', 'B', 'drain');
equals(entries(), 'drain 0 u 127.0.0.1:1986', 'what was said is written, and not what A asks');
my $written = (stat "$folder/state")[1];
visit('/u/', "route=$id{A}", 1983);
equals(body(visit('/u/?drain=1', "route=$id{C}", 1983)), 'C', 'C asks, A does not');
everywhere('/u/?drain=', "route=$id{B}");
equals((stat "$folder/state")[1], $written, 'nothing is written');
holds(restart(), 'a restart');
holds(!defined shown('u', 'C')->{asked_until}, 'nobody asks');
equals(shown('u', 'B')->{state}, 'draining', 'what was said is said');



=== the reload that turns control on reads the file, also where servers could ask before
--- upstreams
upstream u { server A:; server B:; server C:; session_sticky drain_if=$arg_drain; }
--- file
session_sticky_control 1
down 0 u 127.0.0.1:1986
end 1
--- state
--- client
now('u', 'C', 'drain');
configure(qr/session_sticky_control on *;/, 'session_sticky_control off;');
holds(reload(), 'a reload without control');
visit('/u/?drain=1', "route=$id{A}", 1983);
equals(shown('u', 'B')->{state}, 'up', 'nothing was read');
configure(qr/session_sticky_control off;/, "session_sticky_control on state=$folder/state;");
holds(reload(), 'a reload with control and a file');
equals(shown('u', 'B')->{state}, 'down', 'what the file says holds');
equals(shown('u', 'C')->{state}, 'up', 'what was said before is forgotten');
holds(defined shown('u', 'A')->{asked_until}, 'A asks still');
