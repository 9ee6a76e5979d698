# A binary that is upgraded in place, by USR2: the new nginx has the configuration, but not the contents of shared memory, as
# docs/operations.md documents; a reload keeps these.

BEGIN {
    # Server states survive a reload, so each block needs a new nginx, even in mode hup.
    delete $ENV{TEST_NGINX_USE_HUP};
    # Under valgrind, nginx is not a daemon, and a binary started by USR2 would not run under valgrind.
    if ($ENV{TEST_NGINX_USE_VALGRIND} && !$^C) {
        print "1..0 # SKIP USR2 leads out of valgrind\n";
        exit;
    }
}

use Sticky qw(Upstreams Visits Running Control);
use File::Temp;
use JSON::PP ();

our $folder = File::Temp->newdir;
chmod 0777, $folder;

client_sections();
upstream_sections(<<'_EOC_');
location /login { add_header Set-Cookie "app=$arg_user"; return 200 "NAME"; }
_EOC_
add_block_preprocessor(sub {
    my ($block) = @_;
    unlink glob "$folder/*";
    $block->set_value(upstreams => <<'_EOC_');
upstream u { server A:; server B:; session_sticky; }
upstream learnt { server A:; server B:; server C:; session_sticky mode=learn create=$upstream_cookie_app lookup=$cookie_app zone=upgraded:64k; }
_EOC_
    my $state = $block->state // '';
    $block->set_value(locations => $control =~ s/control on/control on $state/r);
});

# Starts a second nginx, which takes over, and ends the first one.
sub upgrade {
    my $old = master();
    kill USR2 => $old;
    my $pid = $Test::Nginx::Util::PidFile;
    eventually(sub { -s "$pid.oldbin" && -s $pid && master() != $old && children() }, 'there is another nginx') or return;
    kill QUIT => $old;
    return eventually(sub { !kill 0 => $old }, 'the old nginx has ended');
}

sub counted { return JSON::PP::decode_json(body(response(say_to_nginx("GET /status?format=json HTTP/1.0\r\nHost: localhost\r\n\r\n", 1983))))->{upstreams}[0]{requests} }

# Logs a user in, and returns the server.
sub learnt {
    my ($user) = @_;
    my $response = visit("/learnt/login?user=$user", undef, 1983);
    return body($response);
}

no_shuffle();
master_on();
run_tests();

__DATA__

=== a reload keeps counters, learned sessions and states
--- client
visit('/u/', undef, 1983) for 1 .. 3;
my $server = learnt('x');
now('u', 'A', 'drain');
holds(reload(), 'nginx is reloaded');
equals(counted()->{new}, 3, 'counters');
equals(bodies(map { visit('/learnt/', 'app=x', 1983) } 1 .. 6), $server, 'the learned session');
equals(shown('u', 'A')->{state}, 'draining', 'the state');



=== USR2: without state=, all of them are reset
--- client
visit('/u/', undef, 1983) for 1 .. 3;
learnt('x');
now('u', 'A', 'drain');
upgrade();
equals(counted()->{new}, 0, 'counters');
equals(bodies(map { visit('/learnt/', 'app=x', 1983) } 1 .. 6), 'A | B | C', 'the learned session is unknown');
equals(shown('u', 'A')->{state}, 'up', 'the state');
equals(body(visit('/u/', "route=$id{B}", 1983)), 'B', 'the session in a cookie stays');



=== USR2: with state=, states stay
--- state eval: "state=$main::folder/state"
--- client
now('u', 'A', 'drain');
now('u', 'B', 'down');
upgrade();
equals(shown('u', 'A')->{state}, 'draining', 'A drains');
equals(shown('u', 'B')->{state}, 'down', 'B is down');
